SELECT status FROM publications WHERE version = $1
