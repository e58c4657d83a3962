SELECT accounts.id AS id, 'there is no such developer' AS owner
FROM accounts LEFT JOIN developers ON 'developer:' || developers.id = accounts.id
WHERE accounts.id LIKE 'developer:%' AND developers.id IS NULL
ORDER BY accounts.id LIMIT 1
