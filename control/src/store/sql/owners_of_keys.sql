SELECT MIN(id) AS id, project AS owner FROM virtual_keys GROUP BY project ORDER BY project
