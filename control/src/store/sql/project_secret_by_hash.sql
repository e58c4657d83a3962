SELECT id, project, expires_ms, revoked_ms FROM project_secrets WHERE hash = $1
