SELECT credentials.id AS id, 'there is no end user ' || credentials.owner AS owner
FROM credentials LEFT JOIN end_users ON end_users.id = credentials.owner
WHERE credentials.owner_scope = 'end_user' AND end_users.id IS NULL
ORDER BY credentials.id LIMIT 1
