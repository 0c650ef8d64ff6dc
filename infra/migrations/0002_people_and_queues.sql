-- Who judges (pseudonyms and codebook answers; identity lies elsewhere), and what each site is to judge.

CREATE TABLE profiles (
    annotator TEXT NOT NULL,
    site TEXT NOT NULL,
    codebook TEXT NOT NULL,
    field TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('answered', 'prefer_not_to_say', 'not_asked', 'expired', 'revoked')),
    value TEXT,
    simulated BIGINT NOT NULL CHECK (simulated IN (0, 1)),
    PRIMARY KEY (annotator, site, codebook, field),
    CHECK ((status = 'answered') = (value IS NOT NULL))
);

CREATE TABLE panel (
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    account TEXT NOT NULL,
    annotator TEXT NOT NULL,
    PRIMARY KEY (site, source, account)
);

CREATE TABLE queues (
    site TEXT NOT NULL,
    item TEXT NOT NULL REFERENCES items (item),
    PRIMARY KEY (site, item)
);
