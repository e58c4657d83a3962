INSERT INTO virtual_keys (id, project, name, hash, revoked, origin, created_ms, prefix, models, route_modes, networks, direct, expires_ms,
    rotated_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING
