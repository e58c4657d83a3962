UPDATE publications SET status = 'observed', observed = $2 WHERE version = $1 AND status = 'staged'
