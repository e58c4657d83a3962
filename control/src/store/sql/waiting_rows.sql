SELECT id, position, kind, target, payload FROM outbox WHERE done = 0 ORDER BY position LIMIT 64
