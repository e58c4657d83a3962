SELECT a.id, a.debit, a.credit, a.amount, a.code, a.attempt, a.seq, a.at_ms
FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS wanted (value)
JOIN transfers AS a
ON a.id = wanted.value
