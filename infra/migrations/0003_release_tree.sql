-- Where a release lies in the object store: the digest of its tree; its name is the digest of its manifest.

ALTER TABLE releases ADD COLUMN tree TEXT;
