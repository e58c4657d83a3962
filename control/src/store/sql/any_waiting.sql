SELECT position FROM outbox WHERE done = 0 AND position >= $1 AND position <= $2 LIMIT 1
