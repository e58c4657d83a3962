SELECT id, developer, name, scopes, expires_ms, revoked_ms, last_used_ms FROM developer_tokens WHERE hash = $1
