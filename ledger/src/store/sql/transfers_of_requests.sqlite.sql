SELECT a.id, a.debit, a.credit, a.amount, a.code, a.attempt, a.seq, a.at_ms
FROM json_each($1) AS wanted
CROSS JOIN transfers AS a
WHERE a.id > (wanted.value || '.') AND a.id < (wanted.value || '/')
