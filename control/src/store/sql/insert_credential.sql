INSERT INTO credentials (id, owner_scope, owner, provider, kind, base_url, sealed, sealed_with, masked, models_allowed, priority, weight, budget_limit, fallback_to_platform, created_by, rotated_from, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
