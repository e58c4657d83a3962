SELECT sums.id AS id, CAST(sums.debits AS TEXT) || ' ' || CAST(sums.credits AS TEXT) AS expected,
    COALESCE(CAST(a.debits AS TEXT) || ' ' || CAST(a.credits AS TEXT), 'nothing') AS found
FROM (
    SELECT id, CAST(SUM(debit) AS BIGINT) AS debits, CAST(SUM(credit) AS BIGINT) AS credits
    FROM (
        SELECT debit AS id, amount AS debit, 0 AS credit FROM transfers
        UNION ALL
        SELECT credit AS id, 0 AS debit, amount AS credit FROM transfers
        UNION ALL
        SELECT id, 0 AS debit, 0 AS credit FROM accounts
    ) AS legs
    GROUP BY id
) AS sums
LEFT JOIN accounts AS a ON a.id = sums.id
WHERE a.id IS NULL OR a.debits <> sums.debits OR a.credits <> sums.credits
LIMIT $1
