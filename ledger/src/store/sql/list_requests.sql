SELECT substr(id, 1, 36) AS request
FROM attempts
WHERE id > $1 AND id < $2 AND accepted_ms >= $3 AND accepted_ms < $4 AND ($5 = '' OR project = $5)
UNION
SELECT substr(id, 1, 36) AS request
FROM closures
WHERE id > $1 AND id < $2 AND accepted_ms >= $3 AND accepted_ms < $4 AND ($5 = '' OR project = $5)
ORDER BY request
LIMIT $6
