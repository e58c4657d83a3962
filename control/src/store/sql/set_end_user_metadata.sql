UPDATE end_users SET metadata = $2 WHERE id = $1
