-- Where there is one, its row is locked until the transaction ends.
INSERT INTO end_users (id, project, external_hash, metadata, created_ms) VALUES ($1, $2, $3, '{}', $4)
ON CONFLICT (project, external_hash) DO UPDATE SET metadata = end_users.metadata
RETURNING id, metadata
