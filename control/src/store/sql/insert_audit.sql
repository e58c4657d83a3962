INSERT INTO audit_log (seq, at_ms, actor, action, resource, resource_id, developer, outcome, request_id, document, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
