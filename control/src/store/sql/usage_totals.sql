SELECT COUNT(*) AS calls,
  CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT) AS input_tokens,
  CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) AS output_tokens,
  CAST(COALESCE(SUM(CASE WHEN payer = 'customer' THEN cost ELSE 0 END), 0) AS BIGINT) AS charged
FROM attempts WHERE project = $1
