-- $2 is a JSON array of names of projects, which hold no character that JSON writes otherwise.
SELECT id, project, end_user, hash, feature, scopes, expires_ms, revoked_ms
FROM sessions WHERE id = $1 AND replace($2, '"' || project || '"', '') <> $2
