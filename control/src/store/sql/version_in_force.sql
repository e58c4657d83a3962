SELECT version, source, digest, document, authored FROM config_versions
WHERE version = (SELECT MAX(version) FROM publications WHERE status = 'active')
