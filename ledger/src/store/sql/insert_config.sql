INSERT INTO configs (version, seq, document) VALUES ($1, $2, $3)
