SELECT document FROM configs WHERE version = $1
