SELECT id, accepted_ms, provider, model, requested_model, state, input_tokens, output_tokens, detail,
  CAST(CASE WHEN payer = 'customer' THEN COALESCE(cost, 0) ELSE 0 END AS BIGINT) AS charged
FROM attempts WHERE project = $1 ORDER BY accepted_ms DESC, id DESC LIMIT 100
