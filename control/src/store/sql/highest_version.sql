SELECT COALESCE(MAX(version), 0) AS version FROM config_versions
