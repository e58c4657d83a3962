INSERT INTO incidents (id, kind, subject, note, seq, at_ms) VALUES ($1, $2, $3, $4, $5, $6)
