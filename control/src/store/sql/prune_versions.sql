-- The newest whole configuration stays however old it is: a file is compared with it.
DELETE FROM config_versions WHERE version < $1 AND version < (
    SELECT COALESCE(MAX(version), 0) FROM config_versions WHERE source IN ('file', 'default')
)
