SELECT wanted.id AS id, wanted.debit || ' to ' || wanted.credit || ' ' || wanted.amount AS expected,
    COALESCE(t.debit || ' to ' || t.credit || ' ' || t.amount, 'nothing') AS found
FROM (
    SELECT
        id || CASE state WHEN 'unknown' THEN ':unknown/cost' ELSE ':usage/cost' END AS id,
        CASE payer WHEN 'customer' THEN 'project:' || project ELSE 'platform:loss' END AS debit,
        'provider:' || provider AS credit,
        cost AS amount
    FROM attempts
    WHERE pricing = 'priced'
) AS wanted
LEFT JOIN transfers AS t ON t.id = wanted.id
WHERE t.id IS NULL OR t.debit <> wanted.debit OR t.credit <> wanted.credit OR t.amount <> wanted.amount
LIMIT $1
