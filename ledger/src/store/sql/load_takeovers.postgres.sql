SELECT a.id, a.seq, a.at_ms
FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS wanted (value)
JOIN takeovers AS a
ON a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
