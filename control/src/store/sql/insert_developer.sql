INSERT INTO developers (id, name, email, payout_account_id, created_ms, updated_ms) VALUES ($1, $2, $3, $4, $5, $6)
