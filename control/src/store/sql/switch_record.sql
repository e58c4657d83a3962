SELECT kind, id, since_ms FROM switches WHERE kind = $1 AND id = $2
