UPDATE publications SET status = 'failed', error = $2, observed = $3, ended_ms = $4
WHERE version = $1 AND status = 'staged'
