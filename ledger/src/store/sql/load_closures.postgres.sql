SELECT a.id, a.project, a.reason, a.accepted_ms, a.seq, a.at_ms, a.detail
FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS wanted (value)
JOIN closures AS a
ON a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
