SELECT developer_tokens.id AS id, 'there is no developer ' || developer_tokens.developer AS owner
FROM developer_tokens LEFT JOIN developers ON developers.id = developer_tokens.developer
WHERE developers.id IS NULL
ORDER BY developer_tokens.id LIMIT 1
