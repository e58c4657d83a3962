-- Transfers are corrected by adding, never by changing. And ids compare byte by byte, as in SQLite, so that all
-- rows of one request are a range of the primary key whatever the database's locale is.
-- Risk: none, the tables are new and empty, so that changing a collation rewrites nothing.

ALTER TABLE attempts ALTER COLUMN id TYPE TEXT COLLATE "C";
ALTER TABLE transfers ALTER COLUMN id TYPE TEXT COLLATE "C";
ALTER TABLE closures ALTER COLUMN id TYPE TEXT COLLATE "C";
ALTER TABLE takeovers ALTER COLUMN id TYPE TEXT COLLATE "C";
ALTER TABLE accounts ALTER COLUMN id TYPE TEXT COLLATE "C";

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are immutable', TG_TABLE_NAME;
END;
$$;

CREATE TRIGGER transfers_no_change BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER transfers_no_truncate BEFORE TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
