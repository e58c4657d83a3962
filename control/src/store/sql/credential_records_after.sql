SELECT id, owner_scope, owner, provider, kind, base_url, sealed, models_allowed, priority, weight,
    fallback_to_platform, created_ms
FROM credentials WHERE id > $1 ORDER BY id LIMIT 500
