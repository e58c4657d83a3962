SELECT
    a.id, a.project, a.key_id, a.requested_model, a.provider, a.model, a.payer, a.pricing, a.cost, a.accepted_ms,
    a.seq, a.client_request_id, a.detail
FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS wanted (value)
JOIN attempts AS a
ON a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
