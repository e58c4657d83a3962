INSERT INTO takeovers (id, seq, at_ms) VALUES ($1, $2, $3)
