SELECT version, source, digest, document FROM config_versions ORDER BY version DESC LIMIT 1
