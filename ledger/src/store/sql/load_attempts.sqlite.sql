SELECT
    a.id, a.project, a.key_id, a.requested_model, a.provider, a.model, a.payer, a.pricing, a.cost, a.accepted_ms,
    a.seq, a.client_request_id, a.detail
FROM json_each($1) AS wanted
CROSS JOIN attempts AS a
WHERE a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
