INSERT INTO admin_tokens (id, name, role, hash, prefix, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)
