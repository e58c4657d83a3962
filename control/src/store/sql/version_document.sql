SELECT document FROM config_versions WHERE version = $1
