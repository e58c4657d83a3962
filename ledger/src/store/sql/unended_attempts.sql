SELECT id
FROM attempts
WHERE id > $1 AND id < $2 AND (state = 'unknown' OR (state = 'failed' AND detail LIKE '%"last":false%'))
ORDER BY id
LIMIT $3
