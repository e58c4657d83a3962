SELECT id, project, end_user, hash, feature, scopes, created_ms, expires_ms, revoked_ms FROM sessions WHERE id = $1
