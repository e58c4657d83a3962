SELECT id, project, end_user, hash, feature, scopes, created_ms, expires_ms, revoked_ms FROM sessions
WHERE id > $1 AND ($2 = '' OR project = $2) AND ($3 = '' OR end_user = $3) ORDER BY id LIMIT $4
