SELECT id FROM attempts WHERE state = 'unknown' ORDER BY id LIMIT $1
