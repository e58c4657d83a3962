INSERT INTO attempts (
    id, project, key_id, requested_model, provider, model, state, payer, pricing, cost, input_tokens,
    output_tokens, accepted_ms, first_seq, seq, client_request_id, detail
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), CAST(value ->> 11 AS BIGINT),
    CAST(value ->> 12 AS BIGINT), CAST(value ->> 13 AS BIGINT), CAST(value ->> 14 AS BIGINT), value ->> 15,
    value ->> 16
FROM jsonb_array_elements(CAST($1 AS jsonb)) AS rows (value)
