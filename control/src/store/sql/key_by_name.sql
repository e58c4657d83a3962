SELECT id, project, name, hash, revoked, origin, created_ms, prefix, models, route_modes, networks, direct, expires_ms,
    rotated_from, bcrypt
FROM virtual_keys WHERE project = $1 AND name = $2
