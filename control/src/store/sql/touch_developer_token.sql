UPDATE developer_tokens SET last_used_ms = $1 WHERE id = $2
