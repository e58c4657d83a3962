SELECT id, project, name, hash, revoked, origin, created_ms FROM virtual_keys WHERE hash = $1
