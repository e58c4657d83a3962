-- What the next change begins with: the newest version that was not refused.
SELECT version, source, digest, document, authored FROM config_versions
WHERE version NOT IN (SELECT version FROM publications WHERE status = 'failed')
ORDER BY version DESC LIMIT 1
