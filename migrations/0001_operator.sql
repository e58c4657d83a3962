-- What an operator edits, and what control projects from it. Control alone writes these tables.
-- Risk: none, all tables are new.

-- Every configuration version ever published. `document` is the compiled configuration as JSON, `source` the
-- text it was compiled from, `digest` the SHA-256 of what makes two versions equal.
CREATE TABLE config_versions (
    version BIGINT NOT NULL PRIMARY KEY,
    published_ms BIGINT NOT NULL,
    source TEXT NOT NULL,
    document TEXT NOT NULL,
    digest TEXT NOT NULL
);

-- Virtual keys. `hash` is the keyed hash of the secret; the secret itself is nowhere. `revoked` is 0 or 1.
CREATE TABLE virtual_keys (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    revoked BIGINT NOT NULL DEFAULT 0,
    origin TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    UNIQUE (project, name)
);

-- What must still be put into NATS, in the order of `position`. `done` is 0 or 1.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    payload TEXT NOT NULL,
    done BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX outbox_waiting ON outbox (position) WHERE done = 0;

-- Single values that belong to the deployment as a whole.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
