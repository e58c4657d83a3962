SELECT seq, at_ms, actor, action, resource, resource_id, developer, outcome, request_id, document, hash
FROM audit_log
WHERE seq > $1
  AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3) AND ($4 = '' OR resource = $4)
  AND ($5 = '' OR resource_id = $5) AND ($6 = '' OR developer = $6) AND ($7 = '' OR outcome = $7)
  AND ($8 = '' OR request_id = $8) AND at_ms >= $9 AND at_ms < $10
ORDER BY seq LIMIT $11
