INSERT INTO outbox (id, position, kind, target, payload) VALUES ($1, $2, $3, $4, $5)
