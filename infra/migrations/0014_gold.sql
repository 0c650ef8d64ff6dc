-- Items of known answer: what whoever reads them answers, declared by a named person of the site's staff.
-- "role": asked as a gold or as an attention item where the site's plan says when.

CREATE TABLE gold_items (
    site TEXT NOT NULL,
    item TEXT NOT NULL REFERENCES items (item),
    role TEXT NOT NULL CHECK (role IN ('gold', 'attention')),
    outcome TEXT NOT NULL CHECK (outcome IN ('prefers', 'tie', 'neither')),
    preferred TEXT,
    added_by TEXT NOT NULL,
    added_at TEXT NOT NULL,
    PRIMARY KEY (site, item),
    CHECK ((outcome = 'prefers') = (preferred IS NOT NULL))
);

-- Nothing could be written here; the role now stands beside the known answer.
DROP TABLE item_roles;
