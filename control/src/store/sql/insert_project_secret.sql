INSERT INTO project_secrets (id, project, hash, prefix, created_ms) VALUES ($1, $2, $3, $4, $5)
