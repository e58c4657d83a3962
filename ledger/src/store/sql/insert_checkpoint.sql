INSERT INTO checkpoints (seq, at_ms, hash, document) VALUES ($1, $2, $3, $4)
