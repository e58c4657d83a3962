SELECT id, name AS owner FROM developers ORDER BY id
