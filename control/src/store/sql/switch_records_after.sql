SELECT kind, id, since_ms FROM switches
WHERE kind > $1 OR (kind = $1 AND id > $2) ORDER BY kind, id LIMIT 500
