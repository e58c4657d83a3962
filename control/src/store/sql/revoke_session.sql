-- $2 is a JSON array of names of projects, which hold no character that JSON writes otherwise.
UPDATE sessions SET revoked_ms = $3
WHERE id = $1 AND replace($2, '"' || project || '"', '') <> $2 AND revoked_ms IS NULL
