SELECT sessions.id AS id, 'its end user ' || sessions.end_user || ' is not one of app ' || sessions.project AS owner
FROM sessions LEFT JOIN end_users ON end_users.id = sessions.end_user
WHERE end_users.id IS NULL OR end_users.project <> sessions.project
ORDER BY sessions.id LIMIT 1
