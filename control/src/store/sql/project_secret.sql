SELECT id, project, prefix, created_ms, revoked_ms FROM project_secrets WHERE id = $1 AND project = $2
