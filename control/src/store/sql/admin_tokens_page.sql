SELECT id, name, role, prefix, created_ms, expires_ms, revoked_ms, last_used_ms FROM admin_tokens
WHERE id > $1 ORDER BY id LIMIT $2
