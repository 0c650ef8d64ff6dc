"""Databases and rows that several tests share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from annotation.events import EventKind, RawEvent
from annotation.records import make_item
from infra.catalogue import ImportRecord, Presentation

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def event(
    ref: str, revision: int = 1, *, site: str = "main", answer: object = 1, deleted: bool = False
) -> RawEvent:
    if deleted:
        return RawEvent(
            site=site, source="file", ref=ref, kind=EventKind.DELETED, revision=revision, raw={"gone": True}
        )
    return RawEvent(
        site=site,
        source="file",
        ref=ref,
        kind=EventKind.STATED,
        revision=revision,
        raw={"answer": answer},
        problem="of a test",
    )


def item(text: str = "a") -> dict[str, Any]:
    return make_item(
        prompt=[{"role": "user", "content": f"Question {text} – „ü“ 🙂"}],
        candidates=[("m-1", f"one {text}"), (None, f"two {text}")],
        language="en",
        topic=None,
        origin="test",
        licence="CC0-1.0",
        source_ref=text,
    )


def import_record(**over: Any) -> ImportRecord:
    values = {
        "origin": "test",
        "file_name": "f.json",
        "file_digest": "sha256:" + "1" * 64,
        "read": 3,
        "imported": 2,
        "refused": 1,
        "object": "sha256:" + "2" * 64,
        "at": NOW,
    }
    return ImportRecord(**{**values, **over})


def presentation(row: dict[str, Any], slot: int = 0, **over: Any) -> Presentation:
    values = {
        "presentation": f"p-{row['item']}-{slot}",
        "site": "main",
        "item": row["item"],
        "item_digest": row["digest"],
        "slot": slot,
        "shown": tuple(candidate["candidate"] for candidate in row["candidates"]),
        "config_digest": "sha256:" + "3" * 64,
        "created_at": NOW,
        "source": "label_studio",
    }
    return Presentation(**{**values, **over})
