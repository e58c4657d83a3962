DELETE FROM outbox WHERE done = 1 AND position < $1
