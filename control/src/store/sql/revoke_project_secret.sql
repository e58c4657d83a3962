UPDATE project_secrets SET revoked_ms = $3 WHERE id = $1 AND project = $2 AND revoked_ms IS NULL
