SELECT c.id, c.owner_scope, c.owner, c.provider, c.kind, c.masked, c.sealed_with, c.created_ms,
    s.since_ms AS off_since_ms
FROM credentials c
LEFT JOIN switches s ON s.kind = 'credential' AND s.id = c.id
WHERE c.id > $1 ORDER BY c.id LIMIT 200
