SELECT version FROM publications WHERE version > $1 AND status <> 'failed' LIMIT 1
