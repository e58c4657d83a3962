SELECT project AS id, project AS owner FROM virtual_keys WHERE id = $1
