SELECT DISTINCT project FROM virtual_keys WHERE revoked = 0 AND origin NOT IN ('file', 'default')
