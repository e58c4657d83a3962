SELECT substr(id, 1, 36) AS id, '1' AS expected, CAST(COUNT(*) AS TEXT) AS found
FROM attempts
WHERE payer = 'customer'
GROUP BY substr(id, 1, 36)
HAVING COUNT(*) > 1
LIMIT $1
