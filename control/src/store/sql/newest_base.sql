-- Versions that are a whole configuration rather than an edit of the one before.
SELECT version, source, digest, document, authored FROM config_versions
WHERE source IN ('file', 'default') AND version NOT IN (SELECT version FROM publications WHERE status = 'failed')
ORDER BY version DESC LIMIT 1
