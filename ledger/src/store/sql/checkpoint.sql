SELECT at_ms, hash, document FROM checkpoints WHERE seq = $1
