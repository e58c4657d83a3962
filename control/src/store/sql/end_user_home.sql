SELECT project AS id, project AS owner FROM end_users WHERE id = $1
