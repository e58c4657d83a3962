UPDATE credentials SET models_allowed = $2, priority = $3, weight = $4, budget_limit = $5, fallback_to_platform = $6
WHERE id = $1
