UPDATE attempts SET
    provider = new.provider, model = new.model, state = new.state, payer = new.payer, pricing = new.pricing,
    cost = new.cost, input_tokens = new.input_tokens, output_tokens = new.output_tokens, seq = new.seq,
    detail = new.detail
FROM (
    SELECT
        value ->> 0 AS id, value ->> 4 AS provider, value ->> 5 AS model, value ->> 6 AS state,
        value ->> 7 AS payer, value ->> 8 AS pricing, CAST(value ->> 9 AS BIGINT) AS cost,
        CAST(value ->> 10 AS BIGINT) AS input_tokens, CAST(value ->> 11 AS BIGINT) AS output_tokens,
        CAST(value ->> 14 AS BIGINT) AS seq, value ->> 16 AS detail, CAST(value ->> 17 AS BIGINT) AS stored
    FROM jsonb_array_elements(CAST($1 AS jsonb)) AS rows (value)
) AS new
WHERE attempts.id = new.id AND attempts.seq = new.stored
