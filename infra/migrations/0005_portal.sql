-- The people of the portal, by pseudonym: invitations, consent, codebook answers, sessions, reservations, drafts,
-- judgements. Names and addresses lie in the identity database. "sealed" columns hold bytes encrypted under the
-- person's own key, as base64 text; the key lies outside every database.

CREATE TABLE annotators (
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    simulated BIGINT NOT NULL CHECK (simulated IN (0, 1)),
    locale TEXT NOT NULL,
    created_at TEXT NOT NULL,
    practised_at TEXT,
    stopped_at TEXT,
    PRIMARY KEY (site, annotator)
);

CREATE TABLE invitations (
    token_hash TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT,
    FOREIGN KEY (site, annotator) REFERENCES annotators (site, annotator)
);

CREATE TABLE consent_versions (
    digest TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    document TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    UNIQUE (id, version)
);

-- Appended to, never changed: the last event of a consent and purpose counts.
CREATE TABLE consent_events (
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    number BIGINT NOT NULL CHECK (number >= 1),
    consent TEXT NOT NULL,
    version TEXT NOT NULL REFERENCES consent_versions (digest),
    purpose TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('given', 'withdrawn')),
    at TEXT NOT NULL,
    PRIMARY KEY (site, annotator, number),
    FOREIGN KEY (site, annotator) REFERENCES annotators (site, annotator)
);

CREATE INDEX consent_events_by_consent ON consent_events (consent, purpose);

CREATE TABLE codebook_versions (
    digest TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    document TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    UNIQUE (id, version)
);

-- The largest revision of a field counts.
CREATE TABLE codebook_answers (
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    codebook TEXT NOT NULL,
    field TEXT NOT NULL,
    revision BIGINT NOT NULL CHECK (revision >= 1),
    status TEXT NOT NULL CHECK (status IN ('answered', 'prefer_not_to_say', 'not_asked', 'expired', 'revoked')),
    sealed TEXT,
    at TEXT NOT NULL,
    PRIMARY KEY (site, annotator, codebook, field, revision),
    CHECK ((status = 'answered') = (sealed IS NOT NULL)),
    FOREIGN KEY (site, annotator) REFERENCES annotators (site, annotator)
);

CREATE TABLE portal_sessions (
    token_hash TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    locale TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    FOREIGN KEY (site, annotator) REFERENCES annotators (site, annotator)
);

CREATE INDEX portal_sessions_by_annotator ON portal_sessions (site, annotator);

-- What the portal of a site puts before people, and in which form.
CREATE TABLE portal_items (
    site TEXT NOT NULL,
    item TEXT NOT NULL REFERENCES items (item),
    kind TEXT NOT NULL CHECK (kind IN ('pairwise', 'rating', 'ranking', 'attributes')),
    PRIMARY KEY (site, item)
);

-- One person and one item meet at most once.
CREATE TABLE reservations (
    presentation TEXT NOT NULL PRIMARY KEY REFERENCES presentations (presentation),
    site TEXT NOT NULL,
    item TEXT NOT NULL REFERENCES items (item),
    annotator TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'done', 'released', 'expired')),
    reserved_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    presented_at TEXT,
    UNIQUE (site, annotator, item),
    FOREIGN KEY (site, annotator) REFERENCES annotators (site, annotator)
);

CREATE INDEX reservations_by_item ON reservations (site, item, state);

CREATE TABLE portal_drafts (
    presentation TEXT NOT NULL PRIMARY KEY REFERENCES reservations (presentation),
    annotator TEXT NOT NULL,
    sealed TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

-- Appended to, never changed; rows go only when the person withdraws.
CREATE TABLE portal_judgements (
    presentation TEXT NOT NULL PRIMARY KEY REFERENCES reservations (presentation),
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pairwise', 'rating', 'ranking', 'attributes')),
    sealed TEXT NOT NULL,
    presented_at TEXT NOT NULL,
    submitted_at TEXT NOT NULL,
    UNIQUE (site, presentation)
);

CREATE INDEX portal_judgements_by_annotator ON portal_judgements (site, annotator);

-- What somebody would rather not see, and what somebody says should not be shown.
CREATE TABLE item_reports (
    site TEXT NOT NULL,
    presentation TEXT NOT NULL REFERENCES reservations (presentation),
    annotator TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('skipped', 'reported')),
    sealed TEXT,
    at TEXT NOT NULL,
    PRIMARY KEY (presentation, kind)
);

CREATE TABLE withdrawal_requests (
    site TEXT NOT NULL,
    annotator TEXT NOT NULL,
    request TEXT NOT NULL UNIQUE,
    requested_at TEXT NOT NULL,
    via TEXT NOT NULL,
    receipt TEXT,
    done_at TEXT,
    PRIMARY KEY (site, annotator)
);
