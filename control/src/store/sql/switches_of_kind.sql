SELECT kind, id, by_scope, by_name, reason, since_ms FROM switches WHERE kind = $1 ORDER BY id
