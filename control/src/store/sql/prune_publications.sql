DELETE FROM publications WHERE version NOT IN (SELECT version FROM config_versions)
