-- Conversations of people of the portal with several models at once. What was said is sealed under the person's key.

CREATE TABLE live_campaigns (
    campaign TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    document TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT
);

CREATE UNIQUE INDEX live_campaigns_open ON live_campaigns (site) WHERE closed_at IS NULL;

CREATE TABLE live_conversations (
    conversation TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    campaign TEXT NOT NULL REFERENCES live_campaigns (campaign),
    started_at TEXT NOT NULL,
    ended_at TEXT,
    FOREIGN KEY (site, annotator) REFERENCES annotators (site, annotator)
);

-- Somebody talks in one conversation at a time.
CREATE UNIQUE INDEX live_conversations_open ON live_conversations (site, annotator) WHERE ended_at IS NULL;

CREATE INDEX live_conversations_by_annotator ON live_conversations (site, annotator);

-- "asking_until": a process that asks the models renews it; once it is past, nobody asks any more.
-- "places": the places of the answers in the order shown.
CREATE TABLE live_turns (
    conversation TEXT NOT NULL REFERENCES live_conversations (conversation),
    number BIGINT NOT NULL CHECK (number >= 1),
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    sealed TEXT NOT NULL,
    writing_ms BIGINT NOT NULL CHECK (writing_ms >= 0),
    said_at TEXT NOT NULL,
    asking_until TEXT,
    reduced BIGINT NOT NULL CHECK (reduced IN (0, 1)),
    repeated BIGINT NOT NULL CHECK (repeated IN (0, 1)),
    presentation TEXT UNIQUE REFERENCES presentations (presentation),
    places TEXT,
    presented_at TEXT,
    winner BIGINT,
    PRIMARY KEY (conversation, number),
    CHECK ((presentation IS NULL) = (places IS NULL)),
    CHECK (winner IS NULL OR presentation IS NOT NULL)
);

CREATE INDEX live_turns_by_annotator ON live_turns (site, annotator);

CREATE TABLE live_replies (
    conversation TEXT NOT NULL,
    number BIGINT NOT NULL,
    place BIGINT NOT NULL CHECK (place >= 0),
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    model TEXT NOT NULL,
    sealed TEXT,
    error TEXT,
    named TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (conversation, number, place),
    CHECK ((sealed IS NULL) <> (error IS NULL)),
    FOREIGN KEY (conversation, number) REFERENCES live_turns (conversation, number)
);
