UPDATE publications SET status = 'active', ended_ms = $2 WHERE version = $1 AND status = 'observed'
