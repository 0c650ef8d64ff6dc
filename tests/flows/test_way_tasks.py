"""The tasks of validate and release called as functions, without a server: what they hand on to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from annotation.events import EventPage
from annotation.release import AlignmentTarget, require_terms
from annotation.release_verify import verify_release
from flows.release import build, consents_for
from flows.validate import check, last_distributions
from flows.wiring import Platform, data_checks, open_platform
from governance.digest import digest
from infra import catalogue, ledger
from infra.events import write_events
from infra.scratch import scratch_folder
from tests.infra.test_resubmissions import event
from tests.support.batches import Batch

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with open_platform(tmp_path / "home") as opened:
        yield opened


def collected(platform: Platform) -> Batch:
    batch = Batch(items=8, annotators=4)
    record = catalogue.ImportRecord(
        origin="generated",
        file_name="x",
        file_digest=digest("x"),
        read=8,
        imported=8,
        refused=0,
        object=digest("y"),
        at=NOW,
    )
    catalogue.add_items(platform.db, batch.items, record)
    batch.rows[0]["seconds"] = 0.1
    for row in batch.rows:
        row |= {"source": "file", "presentation": None}
    events = tuple(event(row, source="file") for row in batch.rows)
    page = EventPage(events=events, cursor="1")
    write_events(platform.store, platform.db, page, site="main", source="file", now=NOW, keys=platform.keys)
    return batch


def recorded(platform: Platform, tree: str, inputs: str, at: datetime) -> None:
    ledger.record_batch(
        platform.db,
        ledger.Batch(
            digest=tree,
            inputs_digest=inputs,
            read=32,
            accepted=31,
            quarantined=1,
            verdict="PASSED",
            created_at=at,
            site="main",
        ),
    )


def test_a_batch_is_checked_stored_and_released_part_by_part(platform: Platform) -> None:
    collected(platform)
    policy = platform.policy(NOW)
    with scratch_folder(platform.settings.home, "validate") as folder:
        judged = check.fn(platform, "main", data_checks(policy), policy, digest("inputs"), folder)
        tree = platform.store.put_tree("batches", judged.files)
    found = judged.summary
    assert found.read == 32
    assert "D.duration" in found.failed_rules
    # Nobody knows the policy that the answers were given under, and that is said.
    assert [stale.judgements for stale in found.stale] == [found.accepted]
    recorded(platform, tree, digest("inputs"), NOW)
    assert consents_for(platform, policy) is None
    target = AlignmentTarget(better="clearer", asked="nobody", for_whom="a test")
    terms = require_terms(policy, target, None, None)
    with scratch_folder(platform.settings.home, "release") as folder:
        built = [build.fn(platform, [tree], terms, folder, as_of=date(2026, 1, 10), seed=0) for _ in range(2)]
        assert built[0].digest == built[1].digest
        assert built[0].figures["counts"]["judgements"] == found.accepted
        stored = platform.store.put_tree("releases", built[0].contents())
    assert not list((platform.settings.home / "scratch").iterdir())
    place = Path(platform.store.uri("releases", stored).removeprefix("file://"))
    assert verify_release(place, expected=built[0].digest)


def test_drift_is_measured_from_the_batch_before_also_when_validated_again(platform: Platform) -> None:
    assert last_distributions(platform, "main", digest("one")) is None
    for number, name in enumerate(("one", "two")):
        files = {"checks.json": json.dumps({"distributions": {"outcome": {name: 1}}}).encode()}
        recorded(
            platform, platform.store.put_tree("batches", files), digest(name), NOW + timedelta(days=number)
        )
    assert last_distributions(platform, "main", digest("one")) is None
    assert last_distributions(platform, "main", digest("two")) == {"outcome": {"one": 1}}
    assert last_distributions(platform, "main", digest("three")) == {"outcome": {"two": 1}}
