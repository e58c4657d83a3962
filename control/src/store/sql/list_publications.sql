SELECT p.version, p.kind, p.status, p.actor, p.note, p.of_version, p.error, p.observed, p.staged_ms, p.ended_ms, v.source
FROM publications p JOIN config_versions v ON v.version = p.version
WHERE p.version < $1 ORDER BY p.version DESC LIMIT $2
