UPDATE developers SET name = $2, email = $3, payout_account_id = $4, updated_ms = $5 WHERE id = $1
