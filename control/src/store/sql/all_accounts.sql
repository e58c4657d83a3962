SELECT id, '' AS owner FROM accounts ORDER BY id
