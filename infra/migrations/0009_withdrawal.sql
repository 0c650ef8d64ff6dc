-- What a withdrawal found, did and says of it; no pseudonym stands here (that a person asked is in withdrawal_requests).

CREATE TABLE withdrawals (
    request TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    found TEXT NOT NULL,
    steps TEXT NOT NULL,
    receipt TEXT,
    digest TEXT,
    begun_at TEXT NOT NULL,
    done_at TEXT,
    CHECK ((receipt IS NULL) = (done_at IS NULL))
);

-- A batch whose bytes were erased; its figures stay in batches.
CREATE TABLE erased_batches (
    batch TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL REFERENCES withdrawals (request),
    successor TEXT,
    erased_at TEXT NOT NULL
);

-- A release that holds somebody who has withdrawn since.
CREATE TABLE flagged_releases (
    release TEXT NOT NULL,
    request TEXT NOT NULL REFERENCES withdrawals (request),
    flagged_at TEXT NOT NULL,
    PRIMARY KEY (release, request)
);
