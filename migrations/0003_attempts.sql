-- Attempts (one row for each upstream call) and transfers (what moved because of it).
-- Risk: none, both tables are new.

-- `id` is `<request>.<token>.<k>`, so that the attempts of one request are one range of the primary key, and
-- rows arrive nearly in its order. `state` is open, success, failed, cancelled or unknown; `payer` customer,
-- platform or none; `pricing` priced, unpriced or free; `cost` is in nano-USD and null while there is none.
-- `first_seq` and `seq` are the first and the last event that made the row what it is. `detail` is JSON: what is
-- read with the row and never searched.
CREATE TABLE attempts (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    key_id TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    payer TEXT NOT NULL,
    pricing TEXT NOT NULL,
    cost BIGINT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    accepted_ms BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    client_request_id TEXT,
    detail TEXT NOT NULL
);

-- Every index is paid for with each request: these are the ones that a query needs.
CREATE INDEX attempts_project ON attempts (project, accepted_ms);

CREATE INDEX attempts_client_request ON attempts (client_request_id) WHERE client_request_id IS NOT NULL;

CREATE INDEX attempts_open ON attempts (id) WHERE state = 'open';

CREATE INDEX attempts_unknown ON attempts (id) WHERE state = 'unknown';

-- `code` is numbered in ledger/src/transfer.rs. Rows are never changed or removed: 0004 has the triggers.
CREATE TABLE transfers (
    id TEXT NOT NULL PRIMARY KEY,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    code BIGINT NOT NULL,
    attempt TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    CHECK (debit <> credit)
);
