SELECT DISTINCT substr(id, 1, 36) AS request
FROM attempts
WHERE client_request_id = $1 AND ($2 = '' OR project = $2)
ORDER BY request
LIMIT $3
