UPDATE cursors SET seq = $1, at_ms = $2 WHERE stream = $3 AND seq = $4
