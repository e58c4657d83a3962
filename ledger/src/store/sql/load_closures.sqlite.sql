SELECT a.id, a.project, a.reason, a.accepted_ms, a.seq, a.at_ms, a.detail
FROM json_each($1) AS wanted
CROSS JOIN closures AS a
WHERE a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
