SELECT id, project, key_id, detail FROM attempts WHERE id > $1 ORDER BY id LIMIT 1000
