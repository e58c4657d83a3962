BEGIN;
SELECT seq FROM cursors;
