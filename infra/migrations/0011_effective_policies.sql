-- What each effective policy was composed of, and which rows were submitted again after quarantine.

CREATE TABLE effective_policies (
    digest TEXT NOT NULL PRIMARY KEY,
    documents TEXT NOT NULL,
    jurisdictions TEXT,
    application TEXT,
    first_at TEXT NOT NULL
);

CREATE TABLE resubmissions (
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    ref TEXT NOT NULL,
    revision BIGINT NOT NULL,
    first_revision BIGINT NOT NULL,
    first_digest TEXT NOT NULL,
    batch TEXT NOT NULL,
    rules TEXT NOT NULL,
    reason TEXT NOT NULL,
    corrected_by TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (site, source, ref, revision)
);
