SELECT
    (SELECT COUNT(*) FROM attempts) AS attempts,
    (SELECT COUNT(*) FROM attempts WHERE state = 'open') AS open,
    (SELECT COUNT(*) FROM attempts WHERE state = 'unknown') AS unknown,
    (SELECT COUNT(*) FROM transfers) AS transfers,
    (SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM transfers) AS amount,
    (SELECT CAST(COALESCE(SUM(debits), 0) AS BIGINT) FROM accounts) AS debits,
    (SELECT CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM accounts) AS credits
