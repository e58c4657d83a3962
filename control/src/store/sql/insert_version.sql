INSERT INTO config_versions (version, published_ms, source, document, digest) VALUES ($1, $2, $3, $4, $5)
