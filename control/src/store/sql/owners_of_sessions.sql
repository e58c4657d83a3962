SELECT MIN(id) AS id, project AS owner FROM sessions GROUP BY project ORDER BY project
