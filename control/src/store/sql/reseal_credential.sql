UPDATE credentials SET sealed = $1, sealed_with = $2 WHERE id = $3 AND sealed = $4
