-- Approvals of decisions (each an envelope with one signature over the same statement), keys taken back at once,
-- and where each signed checkpoint of the log lies in the object store.

CREATE TABLE approvals (
    statement TEXT NOT NULL,
    keyid TEXT NOT NULL,
    envelope TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (statement, keyid)
);

CREATE TABLE revocations (
    keyid TEXT NOT NULL PRIMARY KEY,
    envelope TEXT NOT NULL,
    at TEXT NOT NULL
);

ALTER TABLE log_checkpoints ADD COLUMN tree TEXT;
