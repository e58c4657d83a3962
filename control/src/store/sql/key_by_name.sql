SELECT id, project, name, hash, revoked, origin, created_ms FROM virtual_keys WHERE project = $1 AND name = $2
