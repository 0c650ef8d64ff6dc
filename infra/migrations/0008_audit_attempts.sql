-- Every audit, registered before its first question: what it may spend, how it ended, and where its answers lie.

CREATE TABLE audit_attempts (
    artifact TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    probe_set TEXT NOT NULL,
    plan TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    terms TEXT NOT NULL,
    at TEXT NOT NULL,
    outcome TEXT,
    tree TEXT,
    PRIMARY KEY (artifact, policy_digest, probe_set)
);
