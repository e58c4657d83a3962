UPDATE publications SET status = 'superseded' WHERE status = 'active' AND version < $1
