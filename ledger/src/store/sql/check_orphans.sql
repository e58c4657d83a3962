SELECT t.id AS id, 'an attempt it follows from' AS expected,
    COALESCE(a.state || ' ' || a.pricing, 'nothing') AS found
FROM transfers AS t
LEFT JOIN attempts AS a ON a.id = t.attempt
WHERE a.id IS NULL
    OR (t.code IN (1, 2) AND (a.pricing <> 'priced' OR a.state IN ('open', 'unknown')))
    OR (t.code = 3 AND a.state = 'open')
    OR (t.code = 4 AND a.state IN ('open', 'unknown'))
LIMIT $1
