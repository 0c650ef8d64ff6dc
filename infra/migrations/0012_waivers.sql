-- Waivers as they were signed.

CREATE TABLE waivers (
    digest TEXT NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    envelope TEXT NOT NULL,
    at TEXT NOT NULL
);
