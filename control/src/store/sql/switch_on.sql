DELETE FROM switches WHERE kind = $1 AND id = $2
