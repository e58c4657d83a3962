SELECT accounts.id AS id, 'there is no such end user' AS owner
FROM accounts LEFT JOIN end_users ON 'end_user:' || end_users.id = accounts.id
WHERE accounts.id LIKE 'end\_user:%' ESCAPE '\' AND end_users.id IS NULL
ORDER BY accounts.id LIMIT 1
