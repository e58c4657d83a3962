SELECT id FROM attempts WHERE state = 'open' AND id > $1 ORDER BY id LIMIT $2
