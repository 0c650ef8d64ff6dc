-- The append-only log: entries in order, the full tiles of their Merkle tree, and the checkpoints signed so far.
-- The one row of log_head is what appends wait on; a tile's hashes are base64.

CREATE TABLE log_entries (
    position BIGINT NOT NULL PRIMARY KEY CHECK (position >= 0),
    kind TEXT NOT NULL,
    identity TEXT NOT NULL,
    entry TEXT NOT NULL
);

CREATE UNIQUE INDEX log_entries_by_identity ON log_entries (identity);

CREATE INDEX log_entries_by_kind ON log_entries (kind, position);

CREATE TABLE log_tiles (
    level BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hashes TEXT NOT NULL,
    PRIMARY KEY (level, position)
);

CREATE TABLE log_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL
);

INSERT INTO log_head (id, size) VALUES (1, 0);

CREATE TABLE log_checkpoints (
    size BIGINT NOT NULL PRIMARY KEY,
    root TEXT NOT NULL,
    note TEXT NOT NULL,
    at TEXT NOT NULL
);
