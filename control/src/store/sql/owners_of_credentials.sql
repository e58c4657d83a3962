SELECT id, owner FROM credentials WHERE owner_scope = 'developer' ORDER BY id
