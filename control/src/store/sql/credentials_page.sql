SELECT id, owner_scope, owner, provider, kind, base_url, sealed, sealed_with, masked, models_allowed, priority, weight, budget_limit, fallback_to_platform, created_by, rotated_from, created_ms, last_validated_ms, last_used_ms FROM credentials
WHERE id > $1 AND ($2 = '' OR owner_scope = $2) AND ($3 = '' OR owner = $3) AND ($4 = '' OR provider = $4)
ORDER BY id LIMIT $5
