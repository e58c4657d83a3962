SELECT id, project, end_user, hash, feature, scopes, expires_ms, revoked_ms
FROM sessions WHERE hash > $1 AND expires_ms > $2 ORDER BY hash LIMIT 500
