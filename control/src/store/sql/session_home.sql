SELECT project AS id, end_user AS owner FROM sessions WHERE id = $1
