INSERT INTO sessions (id, project, end_user, hash, feature, scopes, created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
