INSERT INTO outbox (id, position, kind, target, payload, version) VALUES ($1, $2, $3, $4, $5, $6)
