SELECT COUNT(*) AS live FROM project_secrets WHERE project = $1 AND revoked_ms IS NULL
