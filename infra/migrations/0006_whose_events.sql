-- Whose each raw event is: it lies sealed under that person's key, and this is what says under whose.

ALTER TABLE raw_events ADD COLUMN annotator TEXT;

CREATE INDEX raw_events_by_annotator ON raw_events (site, annotator);
