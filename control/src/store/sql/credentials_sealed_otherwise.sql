SELECT id FROM credentials WHERE sealed_with <> $1 AND id > $2 ORDER BY id LIMIT 100
