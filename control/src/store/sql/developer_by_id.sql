SELECT id, name, email, payout_account_id, created_ms, updated_ms FROM developers WHERE id = $1
