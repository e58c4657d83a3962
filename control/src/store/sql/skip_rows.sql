UPDATE outbox SET done = 1 WHERE version = $1 AND done = 0
