SELECT id, debits, credits FROM accounts WHERE id = $1
