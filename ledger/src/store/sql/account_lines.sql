SELECT id, debits, credits FROM accounts WHERE id > $1 ORDER BY id LIMIT $2
