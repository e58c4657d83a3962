SELECT seq, at_ms, actor, action, resource, resource_id, developer, outcome, request_id, document, hash
FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT 500
