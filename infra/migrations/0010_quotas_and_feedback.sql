-- How presentations were placed by a plan of assignment, what items are there for, and feedback from applications.

CREATE TABLE item_roles (
    site TEXT NOT NULL,
    item TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('ordinary', 'gold', 'attention')),
    PRIMARY KEY (site, item),
    FOREIGN KEY (site, item) REFERENCES portal_items (site, item)
);

-- "cell" is a token under the site's key, not the cell: in which group somebody is is nobody else's business.
CREATE TABLE placements (
    presentation TEXT NOT NULL PRIMARY KEY REFERENCES reservations (presentation),
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    cell TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('ordinary', 'gold', 'attention')),
    turn BIGINT NOT NULL CHECK (turn >= 0),
    candidates BIGINT NOT NULL CHECK (candidates > turn)
);

CREATE INDEX placements_by_cell ON placements (site, cell);

-- Appended to, never changed; an event is sealed under its end user's key and goes when that person withdraws.
CREATE TABLE feedback_events (
    site TEXT NOT NULL,
    event TEXT NOT NULL,
    number BIGINT NOT NULL,
    annotator TEXT NOT NULL,
    identity TEXT NOT NULL,
    sealed TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (site, event),
    UNIQUE (site, number)
);

CREATE INDEX feedback_events_by_annotator ON feedback_events (site, annotator);

-- Whose words an item holds: an end user's prompt goes when that person withdraws. No reference to items: the item
-- goes first.
CREATE TABLE item_authors (
    site TEXT NOT NULL,
    item TEXT NOT NULL,
    annotator TEXT NOT NULL,
    PRIMARY KEY (site, item, annotator)
);
