SELECT id, position, kind, target, payload, version FROM outbox
WHERE done = 0 AND position > $1 ORDER BY position LIMIT 64
