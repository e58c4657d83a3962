INSERT INTO publications (version, kind, status, actor, note, of_version, staged_ms)
VALUES ($1, $2, 'staged', $3, $4, $5, $6)
