"""What was collected: the events of every source, where each source stands, imported files, corrections."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import count, instant, sealed, structure, table, text

__all__ = ["CURSORS", "FEEDBACK_EVENTS", "IMPORTS", "QUEUES", "RAW_CHUNKS", "RAW_EVENTS", "RESUBMISSIONS"]

CURSORS: Final = table("cursors", text("site"), text("source"), text("cursor"), key=("site", "source"))
RAW_CHUNKS: Final = table(
    "raw_chunks",
    text("site"),
    text("digest"),
    count("events"),
    instant("recorded_at"),
    key=("site", "digest"),
)
RAW_EVENTS: Final = table(
    "raw_events",
    text("site"),
    text("source"),
    text("ref"),
    count("revision"),
    text("version"),
    text("kind"),
    text("digest"),
    text("chunk"),
    count("position"),
    text("annotator", nullable=True),
    key=("site", "source", "ref", "revision"),
)
IMPORTS: Final = table(
    "imports",
    text("digest"),
    text("origin"),
    text("file_name"),
    text("file_digest"),
    count("read"),
    count("imported"),
    count("refused"),
    text("object"),
    instant("at"),
    key=("digest",),
)
RESUBMISSIONS: Final = table(
    "resubmissions",
    text("site"),
    text("source"),
    text("ref"),
    count("revision"),
    count("first_revision"),
    text("first_digest"),
    text("batch"),
    structure("rules"),
    text("reason"),
    text("corrected_by"),
    instant("at"),
    key=("site", "source", "ref", "revision"),
)
QUEUES: Final = table("queues", text("site"), text("item"), key=("site", "item"))
FEEDBACK_EVENTS: Final = table(
    "feedback_events",
    text("site"),
    text("event"),
    count("number"),
    text("annotator"),
    text("identity"),
    sealed("sealed"),
    instant("received_at"),
    key=("site", "event"),
)
