DELETE FROM virtual_keys WHERE id = $1 AND hash = $2 AND revoked = $3
