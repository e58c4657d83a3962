INSERT INTO developer_tokens (id, developer, name, hash, prefix, scopes, created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
