-- The books, as far as both engines take the same text: everything here is written by the ledger alone and is a
-- pure function of the EVENTS stream, times included (they are the stream's). Attempts and transfers, the two
-- large tables, follow in 0003.
-- Risk: none, all tables are new.

-- How far a stream is on the books. The first statement of every batch moves it, so that of any number of
-- ledgers only one can commit a batch. `at_ms` is the stream time of event `seq`.
CREATE TABLE cursors (
    stream TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL
);

INSERT INTO cursors (stream, seq, at_ms) VALUES ('EVENTS', 0, 0);

-- Totals in nano-USD. A balance is derived: debits - credits. Over all accounts it is zero.
CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    debits BIGINT NOT NULL,
    credits BIGINT NOT NULL
);

-- Requests ended without a last outcome; `id` is `<request>.<token>`. `detail` is JSON.
CREATE TABLE closures (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    reason TEXT NOT NULL,
    accepted_ms BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    detail TEXT NOT NULL
);

-- Deliveries that took a request over; `id` is `<request>.<token>`.
CREATE TABLE takeovers (
    id TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL
);

-- Configuration versions as they stand on the stream: what is priced with.
CREATE TABLE configs (
    version BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    document TEXT NOT NULL
);

-- What should not happen and did, one row for each event and kind. `resolved` is 0 or 1; an operator sets it.
CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    note TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    resolved BIGINT NOT NULL DEFAULT 0
);

-- The state before the first event of a day: enough to go on from without anything older. `hash` is the SHA-256
-- of `document`.
CREATE TABLE checkpoints (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    hash TEXT NOT NULL,
    document TEXT NOT NULL
);
