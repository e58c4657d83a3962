SELECT MIN(id) AS id, project AS owner FROM end_users GROUP BY project ORDER BY project
