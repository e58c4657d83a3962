SELECT seq, at_ms FROM cursors WHERE stream = $1
