"""Corrected rows stand in the place of their first attempt, linked to it, and only for the same answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from annotation.events import EventKind, EventPage, RawEvent, latest
from annotation.policy_checks import checks_for
from annotation.quarantine import validate_batch
from annotation.staging import stage_events
from flows.commands.quarantine import app
from flows.wiring import Platform, open_platform
from governance.errors import InputError
from infra import collected, ledger
from infra.events import read_events, write_events
from infra.resubmissions import resubmissions, resubmit
from tests.support.batches import Batch

NOW = datetime(2026, 2, 1, tzinfo=UTC)
CHECKS = checks_for([{"id": "D.duration", "check": "duration", "at_least": 2}])
BATCH = "sha256:" + "b" * 64


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with open_platform(tmp_path / "home") as opened:
        yield opened


def event(row: dict[str, Any], revision: int = 1, source: str = "portal") -> RawEvent:
    judgement = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if name != "source_digest"
    }
    return RawEvent(
        site="main",
        source=source,
        ref=row["source_ref"],
        kind=EventKind.STATED,
        revision=revision,
        raw={"said": row["seconds"]},
        judgement=judgement,
    )


def collected_batch(platform: Platform) -> Batch:
    batch = Batch(items=3, annotators=2)
    batch.rows[0]["seconds"] = 0.5
    page = EventPage(events=tuple(event(row) for row in batch.rows), cursor="1")
    write_events(platform.store, platform.db, page, site="main", source="portal", now=NOW, keys=platform.keys)
    return batch


def validated(platform: Platform, batch: Batch) -> Any:
    rows = stage_events(latest(read_events(platform.store, platform.db, "main", keys=platform.keys)))
    around = batch.surroundings()
    return validate_batch(rows, checks=CHECKS, items=around["items"], presentations=around["presentations"])


def submit(platform: Platform, rows: list[dict[str, Any]], batch: Batch, **more: Any) -> Any:
    ref = batch.rows[0]["source_ref"]
    settings = {"reason": "the clock of the page was wrong", "corrected_by": "site staff", "now": NOW}
    return resubmit(
        platform.store,
        platform.db,
        rows,
        {("portal", ref): ["D.duration"]},
        site="main",
        batch=BATCH,
        keys=platform.keys,
        **(settings | more),
    )


def test_a_corrected_row_replaces_its_first_attempt_and_is_linked_to_it(platform: Platform) -> None:
    batch = collected_batch(platform)
    assert validated(platform, batch).summary.failed_rules == {"D.duration": 1}
    first = event(batch.rows[0])
    correction = {"source": "portal", "source_ref": first.ref, "seconds": 35.0}
    (made,) = submit(platform, [correction], batch)
    after = validated(platform, batch)
    assert (after.summary.read, after.accepted.num_rows) == (6, 6)
    assert (made.first_digest, made.first_revision, made.revision) == (first.digest, 1, 2)
    assert resubmissions(platform.db, "main") == [made]
    assert made.rules == ("D.duration",)
    held = {e.digest for e in read_events(platform.store, platform.db, "main", keys=platform.keys)}
    assert first.digest in held
    # Once more changes nothing; a second correction is linked to the very first attempt.
    assert submit(platform, [correction], batch, now=NOW + timedelta(1)) == []
    (again,) = submit(platform, [correction | {"seconds": 36.0}], batch, now=NOW + timedelta(2))
    assert (again.revision, again.first_digest) == (3, first.digest)


def test_an_unchanged_source_does_not_undo_a_correction_and_a_changed_one_replaces_it(
    platform: Platform,
) -> None:
    batch = collected_batch(platform)
    first = event(batch.rows[0])
    submit(platform, [{"source": "portal", "source_ref": first.ref, "seconds": 35.0}], batch)
    known = collected.known(platform.db, "main", "portal")
    assert known.versions()[first.ref] == (2, first.version)
    assert known.next_revision(first.ref) == 3
    newer = event(batch.rows[0] | {"seconds": 50.0}, revision=3)
    page = EventPage(events=(newer,), cursor="2")
    write_events(platform.store, platform.db, page, site="main", source="portal", now=NOW, keys=platform.keys)
    assert collected.known(platform.db, "main", "portal").versions()[first.ref] == (3, newer.version)
    seconds = validated(platform, batch).accepted.column("seconds").to_pylist()
    assert 50.0 in seconds
    assert 35.0 not in seconds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotator": "a-other"}, "annotator: a correction cannot change whose answer it is"),
        ({"source_ref": "task/3"}, "not in the quarantine"),
        ({"colour": "red"}, "unknown column"),
        ({"seconds": "long"}, "another type"),
        ({"seconds": float("nan")}, "another type"),
        ({"source": None}, "needs its source"),
    ],
)
def test_what_cannot_be_corrected_is_refused_and_nothing_is_written(
    platform: Platform, change: dict[str, Any], message: str
) -> None:
    batch = collected_batch(platform)
    row = {"source": "portal", "source_ref": batch.rows[0]["source_ref"], "seconds": 35.0} | change
    with pytest.raises(InputError, match=message):
        submit(platform, [row], batch)
    with pytest.raises(InputError, match="reason"):
        submit(platform, [], batch, reason=" ")
    assert resubmissions(platform.db) == []
    assert len(list(collected.event_digests(platform.db, "main"))) == 6


def test_the_command_shows_the_quarantine_and_takes_it_back(platform: Platform, tmp_path: Path) -> None:
    batch = collected_batch(platform)
    tree = platform.store.put_tree("batches", validated(platform, batch).tables())
    ledger.record_batch(
        platform.db,
        ledger.Batch(
            digest=tree,
            inputs_digest=tree,
            read=6,
            accepted=5,
            quarantined=1,
            verdict="PASSED",
            created_at=NOW,
            site="main",
        ),
    )
    runner, home = CliRunner(), ["--home", str(tmp_path / "home")]
    shown = runner.invoke(app, ["show", *home])
    assert "D.duration" in shown.stdout
    assert '{"seconds": 0.5}' in shown.stdout
    assert (
        "0 of 1 rows set aside by D.typo\n  rows failed D.duration"
        in runner.invoke(app, ["show", "--rule", "D.typo", *home]).stdout
    )
    (row,) = json.loads(runner.invoke(app, ["show", "--json", *home]).stdout)["rows"]
    file = tmp_path / "corrected.jsonl"
    file.write_text(json.dumps(row["row"] | {"seconds": 30.0}) + "\n")
    told = runner.invoke(
        app,
        ["resubmit", str(file), "--reason", "clock", "--by", "staff", "--json", *home],
        catch_exceptions=False,
    )
    assert json.loads(told.stdout)["resubmitted"][0]["revision"] == 2
    (tmp_path / "nothing").write_text("\n")
    with pytest.raises(InputError, match="nothing: holds no row"):
        CliRunner().invoke(
            app,
            ["resubmit", str(tmp_path / "nothing"), "--reason", "x", "--by", "y", *home],
            catch_exceptions=False,
        )
    assert validated(platform, batch).summary.failed_rules == {}
    file.write_text("[]\n")
    with pytest.raises(InputError, match="not an object"):
        runner.invoke(
            app, ["resubmit", str(file), "--reason", "x", "--by", "y", *home], catch_exceptions=False
        )
