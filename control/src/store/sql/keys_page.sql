SELECT id, project, name, hash, revoked, origin, created_ms, prefix, models, route_modes, networks, direct, expires_ms, rotated_from, bcrypt FROM virtual_keys
WHERE id > $1 AND ($2 = '' OR project = $2) AND ($3 = '' OR name = $3) ORDER BY id LIMIT $4
