SELECT a.id, a.seq, a.at_ms
FROM json_each($1) AS wanted
CROSS JOIN takeovers AS a
WHERE a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
