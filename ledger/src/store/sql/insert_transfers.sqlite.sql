INSERT INTO transfers (id, debit, credit, amount, code, attempt, seq, at_ms)
SELECT
    value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), value ->> 5,
    CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT)
FROM jsonb_each($1)
