SELECT document FROM configs ORDER BY version DESC LIMIT 1
