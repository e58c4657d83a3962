UPDATE virtual_keys
SET name = $2, revoked = $3, models = $4, route_modes = $5, networks = $6, direct = $7, expires_ms = $8
WHERE id = $1
