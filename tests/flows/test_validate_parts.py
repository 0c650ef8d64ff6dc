"""What validation reads of the stores some rows at a time is what stands there, and gives the batch of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotation.events import EventKind, EventPage, RawEvent, latest
from annotation.quarantine import validate_batch
from annotation.records import ITEMS, table
from annotation.staging import stage_events
from annotation.surroundings import PRESENTATIONS
from flows import validate
from flows.wiring import Platform, data_checks, open_platform
from governance.digest import digest_set
from infra import catalogue, collected
from infra.events import events_digest, read_events, write_events
from infra.policy_history import outdated
from tests.infra.test_resubmissions import event
from tests.support.batches import Batch
from tests.support.platform import import_record, presentation

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with open_platform(tmp_path / "home") as opened:
        yield opened


def write(platform: Platform, *events: RawEvent) -> None:
    page = EventPage(events=events, cursor=str(len(events)))
    write_events(platform.store, platform.db, page, site="main", source="portal", now=NOW, keys=platform.keys)


def told(platform: Platform) -> Batch:
    """A batch in several chunks, with rows that were said again, taken back, and taken back and said again."""
    batch = Batch(items=6, annotators=3)
    catalogue.add_items(platform.db, batch.items, import_record())
    items = {item["item"]: item for item in batch.items}
    rows = {shown["presentation"]: shown for shown in batch.presentations}
    catalogue.add_presentations(
        platform.db,
        [
            presentation(
                items[shown["item"]], number, presentation=name, shown=tuple(shown["shown"]), source="portal"
            )
            for number, (name, shown) in enumerate(rows.items())
        ],
    )
    for start in range(0, len(batch.rows), 7):
        write(platform, *(event(row) for row in batch.rows[start : start + 7]))
    first, second, third = (event(row, revision=2) for row in batch.rows[:3])
    again = replace(first, raw={"said": "again"}, judgement={**(first.judgement or {}), "seconds": 0.2})
    gone = [
        replace(each, kind=EventKind.DELETED, judgement=None, raw={"gone": True}) for each in (second, third)
    ]
    write(platform, again, *gone)
    write(platform, event(batch.rows[2], revision=3))
    return batch


def test_a_site_is_validated_from_its_stores_as_it_would_be_whole(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(platform)
    monkeypatch.setattr(validate, "_ROWS_AT_ONCE", 4)
    monkeypatch.setattr(validate, "parts_for", lambda rows: max(2, rows // 6))
    policy = platform.policy(NOW)
    checks = data_checks(policy)
    found = validate.check.fn(platform, "main", checks, policy, "inputs", tmp_path)
    staged = stage_events(latest(read_events(platform.store, platform.db, "main", keys=platform.keys)))
    shown = [
        {"presentation": row.presentation, "item": row.item, "shown": list(row.shown), "consent": row.consent}
        for row in catalogue.presentations(platform.db, "main")
    ]
    whole = validate_batch(
        staged,
        table(catalogue.items(platform.db), ITEMS),
        checks=checks,
        presentations=table(shown, PRESENTATIONS),
        outdated=outdated(platform.db, staged["policy_digest"].to_list(), policy),
    )
    assert found.summary.read == 17
    assert found.summary.accepted > 0
    assert "D.duration" in found.summary.failed_rules
    assert found.summary == whole.summary
    files = {name: f if isinstance(f, bytes) else f.read_bytes() for name, f in found.files.items()}
    assert files == whole.tables()


def test_the_newest_events_are_those_of_the_history_folded(platform: Platform) -> None:
    told(platform)
    everything = list(read_events(platform.store, platform.db, "main", keys=platform.keys))
    newest = read_events(platform.store, platform.db, "main", keys=platform.keys, newest=True)
    assert sorted((each.ref, each.revision) for each in newest) == sorted(
        (each.ref, each.revision) for each in latest(everything)
    )
    assert events_digest(platform.db, "main") == digest_set(each.digest for each in everything)
    assert collected.count_events(platform.db, "main") == len(everything) == 22
