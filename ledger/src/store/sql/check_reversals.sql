SELECT t.id AS id, CAST(t.amount AS TEXT) AS expected, COALESCE(CAST(o.amount AS TEXT), 'nothing') AS found
FROM transfers AS t
JOIN attempts AS a ON a.id = t.attempt
LEFT JOIN transfers AS o
    ON o.id = t.attempt || CASE t.code WHEN 3 THEN ':unknown/reversal' ELSE ':unknown/cost' END
WHERE t.code IN (3, 4)
    AND a.state NOT IN ('open', 'unknown')
    AND (o.id IS NULL OR o.amount <> t.amount OR o.debit <> t.credit OR o.credit <> t.debit)
LIMIT $1
