INSERT INTO config_versions (version, published_ms, source, document, digest, authored)
VALUES ($1, $2, $3, $4, $5, $6)
