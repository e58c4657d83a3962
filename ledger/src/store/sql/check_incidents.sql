SELECT id, subject AS expected, note AS found FROM incidents WHERE resolved = 0 ORDER BY seq LIMIT $1
