-- Versions that are a whole configuration rather than an edit of the one before.
SELECT version, source, digest, document FROM config_versions
WHERE source IN ('file', 'default') ORDER BY version DESC LIMIT 1
