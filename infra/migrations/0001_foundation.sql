-- Raw events, items, presentations, and what was built and decided from them.
-- Plain SQL that SQLite and PostgreSQL both read. Times are ISO 8601 text in UTC, so that they sort as text;
-- digests are sha256:<64 hex>; JSON is canonical text.

CREATE TABLE raw_chunks (
    site TEXT NOT NULL,
    digest TEXT NOT NULL,
    events BIGINT NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (site, digest)
);

CREATE TABLE raw_events (
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    ref TEXT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    version TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('stated', 'deleted')),
    digest TEXT NOT NULL,
    chunk TEXT NOT NULL,
    position BIGINT NOT NULL CHECK (position >= 0),
    PRIMARY KEY (site, source, ref, revision),
    FOREIGN KEY (site, chunk) REFERENCES raw_chunks (site, digest)
);

CREATE INDEX raw_events_by_chunk ON raw_events (site, chunk, position);

CREATE TABLE cursors (
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (site, source)
);

CREATE TABLE imports (
    digest TEXT NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,
    file_name TEXT NOT NULL,
    file_digest TEXT NOT NULL,
    read BIGINT NOT NULL,
    imported BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    object TEXT NOT NULL,
    at TEXT NOT NULL,
    CHECK (read = imported + refused)
);

CREATE TABLE items (
    item TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL,
    import TEXT NOT NULL REFERENCES imports (digest)
);

CREATE INDEX items_by_import ON items (import);

CREATE TABLE presentations (
    presentation TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    item TEXT NOT NULL REFERENCES items (item),
    item_digest TEXT NOT NULL,
    slot BIGINT NOT NULL,
    shown TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    policy_digest TEXT,
    consent TEXT,
    created_at TEXT NOT NULL,
    source TEXT NOT NULL,
    source_ref TEXT,
    UNIQUE (site, item, slot)
);

CREATE TABLE batches (
    digest TEXT NOT NULL PRIMARY KEY,
    site TEXT,
    inputs_digest TEXT NOT NULL,
    read BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    created_at TEXT NOT NULL,
    CHECK (read = accepted + quarantined)
);

CREATE TABLE releases (
    digest TEXT NOT NULL PRIMARY KEY,
    inputs_digest TEXT NOT NULL,
    batches TEXT NOT NULL,
    run_id TEXT,
    created_at TEXT NOT NULL
);

CREATE TABLE audits (
    digest TEXT NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    verdict TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE decisions (
    digest TEXT NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    verdict TEXT NOT NULL,
    envelope TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE promotions (
    id TEXT NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    version TEXT NOT NULL,
    decision TEXT,
    outcome TEXT NOT NULL,
    reasons TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE policies (
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    tier BIGINT NOT NULL,
    text TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    PRIMARY KEY (id, version)
);
