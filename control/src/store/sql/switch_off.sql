INSERT INTO switches (kind, id, by_scope, by_name, reason, since_ms) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, id) DO UPDATE SET by_scope = excluded.by_scope, by_name = excluded.by_name, reason = excluded.reason
WHERE switches.by_scope = 'owner' AND excluded.by_scope = 'operator'
