SELECT MIN(id) AS id, project AS owner FROM project_secrets GROUP BY project ORDER BY project
