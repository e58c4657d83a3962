SELECT
    (SELECT COUNT(*) FROM attempts WHERE first_seq > $1) AS attempts,
    (SELECT COUNT(*) FROM transfers WHERE seq > $1) AS transfers
