INSERT INTO closures (id, project, reason, accepted_ms, seq, at_ms, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)
