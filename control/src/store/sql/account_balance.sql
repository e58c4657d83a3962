SELECT credits - debits AS balance FROM accounts WHERE id = $1
