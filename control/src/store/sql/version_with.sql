-- Projects are members of a list, and each begins with its name.
SELECT version FROM config_versions WHERE replace(document, $1, '') <> document LIMIT 1
