SELECT done FROM outbox WHERE id = $1
