SELECT document FROM configs WHERE version = $1 AND seq <= $2
