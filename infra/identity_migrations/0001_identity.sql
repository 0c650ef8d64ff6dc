-- Who a pseudonym is. Nothing else of the platform lies in this database, and nobody else has its credentials.
-- "sealed" holds name and address encrypted under the person's own key; "contact_mac" finds an address again
-- without holding it.

CREATE TABLE identities (
    annotator TEXT NOT NULL PRIMARY KEY,
    contact_mac TEXT NOT NULL UNIQUE,
    sealed TEXT NOT NULL,
    created_at TEXT NOT NULL
);
