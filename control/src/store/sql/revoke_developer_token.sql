UPDATE developer_tokens SET revoked_ms = $3
WHERE id = $1 AND ($2 = '' OR developer = $2) AND revoked_ms IS NULL
