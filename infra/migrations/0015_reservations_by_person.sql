-- What a person holds and what they met before is asked for at every page they see; what expires, at every assignment.

CREATE INDEX reservations_by_annotator ON reservations (site, annotator);
CREATE INDEX reservations_by_expiry ON reservations (site, state, expires_at);
