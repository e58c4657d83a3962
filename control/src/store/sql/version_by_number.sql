SELECT version, source, digest, document, authored FROM config_versions WHERE version = $1
