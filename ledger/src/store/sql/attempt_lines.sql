SELECT id, project, key_id, requested_model, provider, model, payer, pricing, cost, input_tokens, output_tokens, client_request_id, seq, detail FROM attempts
WHERE id > $1 AND ($2 = '' OR project = $2) AND ($3 = '' OR key_id = $3) AND ($4 = '' OR provider = $4)
  AND ($5 = '' OR requested_model = $5) AND ($6 = '' OR state = $6) AND accepted_ms >= $7 AND accepted_ms < $8
ORDER BY id LIMIT $9
