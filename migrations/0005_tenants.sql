-- Tenants: who owns projects, who may call the control plane and as what, end users and their sessions, sealed
-- provider credentials, what is switched off, drafts and publications of the configuration, and the audit log.
-- Control alone writes these tables. Projects and their features are part of the configuration document.
-- Risk: low. New tables; one existing table gets columns, which neither engine rewrites for.

-- Whether one is active stands in `switches`, as for everything else.
CREATE TABLE developers (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    payout_account_id TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);

-- Tokens of administrators: `role` is admin or viewer.
CREATE TABLE admin_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT,
    last_used_ms BIGINT
);

-- Tokens of developers. `scopes` is a JSON array of names.
CREATE TABLE developer_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    developer TEXT NOT NULL REFERENCES developers (id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT,
    last_used_ms BIGINT
);

CREATE INDEX developer_tokens_developer ON developer_tokens (developer, id);

-- Secrets with which a project's server mints sessions. One is in force; more while one replaces another.
CREATE TABLE project_secrets (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);

CREATE INDEX project_secrets_project ON project_secrets (project, id);

-- End users of a project. Their id there is kept as its hash alone; `metadata` is a JSON object.
CREATE TABLE end_users (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    external_hash TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    UNIQUE (project, external_hash)
);

-- `scopes` is a JSON array of names.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    end_user TEXT NOT NULL REFERENCES end_users (id),
    hash TEXT NOT NULL UNIQUE,
    feature TEXT,
    scopes TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);

CREATE INDEX sessions_project ON sessions (project, id);

CREATE INDEX sessions_end_user ON sessions (end_user, id);

CREATE INDEX sessions_expiry ON sessions (expires_ms);

-- Provider credentials. `owner_scope` is platform, developer or end_user; `owner` is empty, a project's name or an
-- end user's id. `sealed` can be opened by workers alone; `sealed_with` names the key it is sealed to.
CREATE TABLE credentials (
    id TEXT NOT NULL PRIMARY KEY,
    owner_scope TEXT NOT NULL,
    owner TEXT NOT NULL,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    base_url TEXT,
    sealed TEXT NOT NULL,
    sealed_with TEXT NOT NULL,
    masked TEXT NOT NULL,
    models_allowed TEXT NOT NULL,
    priority BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    budget_limit BIGINT,
    fallback_to_platform BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    rotated_from TEXT,
    created_ms BIGINT NOT NULL,
    last_validated_ms BIGINT,
    last_used_ms BIGINT
);

CREATE INDEX credentials_owner ON credentials (owner_scope, owner, id);

-- What is switched off, and by whom: what an operator has switched off only an operator can switch on again.
-- `kind` and `id` are those of the entry in the bucket.
CREATE TABLE switches (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    by_scope TEXT NOT NULL,
    by_name TEXT NOT NULL,
    reason TEXT,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- The document being worked on; one at a time. `base` is the version it was begun from.
CREATE TABLE config_drafts (
    id TEXT NOT NULL PRIMARY KEY,
    base BIGINT NOT NULL,
    document TEXT NOT NULL,
    edited_by TEXT NOT NULL,
    edited_ms BIGINT NOT NULL
);

-- How each version came into force: `kind` is publish, edit or rollback; `status` staged, observed, active,
-- superseded or failed; `of_version` is what a rollback went back to.
CREATE TABLE publications (
    version BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT,
    of_version BIGINT,
    error TEXT,
    observed TEXT,
    staged_ms BIGINT NOT NULL,
    ended_ms BIGINT
);

-- Who did what. `document` is the record as it is hashed, `hash` its SHA-256, which the next record repeats. The
-- other columns are for searching.
CREATE TABLE audit_log (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_id TEXT,
    developer TEXT,
    outcome TEXT NOT NULL,
    request_id TEXT,
    document TEXT NOT NULL,
    hash TEXT NOT NULL
);

CREATE INDEX audit_log_action ON audit_log (action, seq);

CREATE INDEX audit_log_developer ON audit_log (developer, seq);

-- What a key may do beyond its project; `models`, `route_modes` and `networks` are JSON arrays or null for all.
-- `prefix` is how its secret begins. Of a key that was imported with the `bcrypt` hash of its secret, `hash` is made
-- of that beginning. A key that replaces another names it, and the other gets an end.
ALTER TABLE virtual_keys ADD COLUMN prefix TEXT NOT NULL DEFAULT '';

ALTER TABLE virtual_keys ADD COLUMN models TEXT;

ALTER TABLE virtual_keys ADD COLUMN route_modes TEXT;

ALTER TABLE virtual_keys ADD COLUMN networks TEXT;

ALTER TABLE virtual_keys ADD COLUMN direct BIGINT NOT NULL DEFAULT 0;

ALTER TABLE virtual_keys ADD COLUMN expires_ms BIGINT;

ALTER TABLE virtual_keys ADD COLUMN bcrypt TEXT;

ALTER TABLE virtual_keys ADD COLUMN rotated_from TEXT;

-- The configuration version that a row is a part of; what belongs to none waits for none.
ALTER TABLE outbox ADD COLUMN version BIGINT;

CREATE INDEX outbox_position ON outbox (position);

-- What a file or the environment said, before it was merged with what was changed elsewhere; null for versions that
-- came from neither. Versions of before were whole configurations and are in force as they stand.
ALTER TABLE config_versions ADD COLUMN authored TEXT;

INSERT INTO publications (version, kind, status, actor, staged_ms, ended_ms)
SELECT version, 'publish', CASE WHEN version = (SELECT MAX(version) FROM config_versions) THEN 'active' ELSE 'superseded' END,
    'system:' || source, published_ms, published_ms
FROM config_versions;
