SELECT id, by_scope FROM switches WHERE kind = $1 ORDER BY id
