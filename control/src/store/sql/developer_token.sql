SELECT id, developer, name, prefix, scopes, created_ms, expires_ms, revoked_ms, last_used_ms
FROM developer_tokens WHERE id = $1 AND ($2 = '' OR developer = $2)
