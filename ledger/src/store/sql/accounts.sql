SELECT id, debits, credits FROM accounts ORDER BY id
