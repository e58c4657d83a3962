INSERT INTO accounts (id, debits, credits)
SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT)
FROM jsonb_each($1)
WHERE true
ON CONFLICT (id) DO UPDATE SET
    debits = accounts.debits + excluded.debits, credits = accounts.credits + excluded.credits
