UPDATE outbox SET done = 1 WHERE id = $1
