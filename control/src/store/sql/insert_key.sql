INSERT INTO virtual_keys (id, project, name, hash, revoked, origin, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)
