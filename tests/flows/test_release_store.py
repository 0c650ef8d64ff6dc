"""``bounds release diff`` on releases in the platform's own store: who came and went, and why, for its staff."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.quarantine import QUARANTINE
from annotation.release import AlignmentTarget, build_release
from annotation.release_changes import COLLECTED, NO_CONSENT, NOT_THERE
from annotation.release_inputs import Batch, LiveConsents
from flows.commands.release import app
from flows.wiring import Platform, open_platform
from governance.digest import digest
from governance.errors import InputError, OutsideError
from governance.policy.compose import compose
from infra import ledger, release_store
from infra.consents import decide, live_consents, record_version
from infra.policy_files import load_pack
from infra.release_store import compare
from infra.scratch import scratch_folder
from infra.tables.people import ANNOTATORS
from tests.support.commands import run_command
from tests.support.release_data import batch, rows

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
TARGET = AlignmentTarget(better="more honest", asked="simulated people", for_whom="nobody; a test")
POLICY = compose(load_pack("demo"), at=START)
PURPOSE = "training"


def store(platform: Platform, made: Batch, quarantined: dict[str, list[str]], folder: Path) -> str:
    """The batch as validation stores it; its digest."""
    folder.mkdir()
    failed = [
        {"judgement": name, "rules": rules, "reasons": rules, "values": [None] * len(rules), "row": "{}"}
        for name, rules in quarantined.items()
    ]
    tables = {name: getattr(made, name) for name in ("judgements", "items", "profiles")}
    tables["quarantine"] = pa.Table.from_pylist(failed, schema=QUARANTINE)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=31)
    checks = {"read": made.read, "quarantined": len(failed), "filtered_out": []}
    (folder / "checks.json").write_text(json.dumps(checks))
    return platform.store.put_tree("batches", {path.name: path for path in folder.iterdir()})


def release(platform: Platform, made: Batch, stored: str, at: datetime) -> ledger.Release:
    live = frozenset(row["consent"] for row in live_consents(platform.db) if row["purpose"] == PURPOSE)
    built = build_release(
        [made],
        policy=POLICY,
        alignment_target=TARGET,
        as_of=date(2026, 3, 1),
        seed=7,
        consents=LiveConsents(purpose=PURPOSE, live=live),
    )
    row = ledger.Release(
        digest=built.digest,
        inputs_digest=built.inputs_digest,
        batches=(stored,),
        created_at=at,
        tree=platform.store.put_tree("releases", built.contents()),
    )
    ledger.record_release(platform.db, row)
    return row


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two releases: in between person-1 withdraws, person-2 is quarantined once, person-3 answers one item more."""
    home = tmp_path_factory.mktemp("home")
    made = rows(people=24, items=20, each=6)
    with pytest.MonkeyPatch.context() as patch, open_platform(home) as platform:
        patch.setattr("annotation.release_figures.REPLICATES", 50)
        text = record_version(platform.db, {"id": "consent", "version": "1.0.0"}, now=START)
        with platform.db.write() as connection:
            shared = {"site": "main", "simulated": 1, "locale": "en", "created_at": START}
            enrolled = [{"annotator": f"person-{n}", **shared} for n in range(24)]
            platform.db.insert_new(connection, ANNOTATORS, enrolled)
        consents = {
            person: decide(platform.db, "main", person, text, {PURPOSE: True}, now=START).consent
            for person in (f"person-{n}" for n in range(24))
        }
        for row in made["judgements"]:
            row["consent"] = consents[row["annotator"]]
        later = next(row for row in made["judgements"] if row["annotator"] == "person-3")
        failing = next(row for row in made["judgements"] if row["annotator"] == "person-2")
        lost = next(row for row in made["judgements"] if row["annotator"] == "person-4")
        first = batch(made | {"judgements": [row for row in made["judgements"] if row is not later]})
        second = batch(
            made
            | {"judgements": [row for row in made["judgements"] if row is not failing and row is not lost]}
        )
        trees = [
            store(platform, first, {}, home / "first"),
            store(platform, second, {failing["judgement"]: ["D.duration", "D.gold"]}, home / "second"),
        ]
        one = release(platform, first, trees[0], START + timedelta(days=1))
        decide(platform.db, "main", "person-1", text, {PURPOSE: False}, now=START + timedelta(days=2))
        other = release(platform, second, trees[1], START + timedelta(days=3))
    withdrawn = sum(row["annotator"] == "person-1" for row in made["judgements"])
    assert withdrawn
    assert one.digest != other.digest
    return {"home": home, "one": one, "other": other, "withdrawn": withdrawn, "kept": len(made["judgements"])}


call = partial(run_command, app)


def test_staff_are_told_whose_judgements_went_and_why(told: dict[str, Any]) -> None:
    names = [told["one"].digest, told["other"].digest.removeprefix("sha256:")[:12]]
    body = json.loads(call("diff", *names, "--by-person", "--json", "--home", told["home"]))
    quarantined = "quarantined by D.duration, D.gold"
    assert body["why"]["gone"] == {NO_CONSENT: told["withdrawn"], quarantined: 1, NOT_THERE: 1}
    assert body["why"]["new"] == {COLLECTED: 1}
    assert {
        (row["annotator"], row["change"], row["reason"], row["judgements"])
        for row in body["why"]["by_person"]
    } == {
        ("person-1", "gone", NO_CONSENT, told["withdrawn"]),
        ("person-2", "gone", quarantined, 1),
        ("person-3", "new", COLLECTED, 1),
        ("person-4", "gone", NOT_THERE, 1),
    }
    # What the files tell of the same two releases agrees, and names nobody.
    moved = body["judgements"]
    assert moved["gone"] - moved["new"] == told["withdrawn"] + 1
    assert moved["kept"] + moved["new"] == body["counts"]["judgements"][1]
    shown = call("diff", *names, "--by-person", "--home", told["home"])
    assert f"gone: person-1 at main: {told['withdrawn']}: {NO_CONSENT}" in shown
    plain = call("diff", *names, "--home", told["home"])
    assert NO_CONSENT in plain
    assert "person-1" not in plain
    # The other way round, the person's consent is live again in the earlier release.
    back = json.loads(call("diff", *reversed(names), "--by-person", "--json", "--home", told["home"]))
    assert back["why"]["new"]["its consent is live now"] == told["withdrawn"]
    assert not list((told["home"] / "scratch").iterdir())


def test_buckets_change_nothing(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    with open_platform(told["home"]) as platform:
        for size in (500_000, 7):
            monkeypatch.setattr(release_store, "_ROWS_OF_A_BUCKET", size)
            place = tmp_path / str(size)
            _, changed = compare(platform.store, platform.db, told["one"].digest, told["other"].digest, place)
            found.append((changed.kept, changed.as_json(by_person=True)))
    assert found[0] == found[1]
    assert found[0][0] == told["kept"] - told["withdrawn"] - 3


def test_what_is_not_there_is_said(told: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no such release"):
        call("diff", told["one"].digest, "sha256:" + "0" * 64, "--home", told["home"])
    with pytest.raises(InputError, match="the other is not"):
        call("diff", told["one"].digest, told["home"], "--home", told["home"])
    with open_platform(told["home"]) as platform, scratch_folder(told["home"], "release") as place:
        erased = ledger.Release(
            digest=digest("erased"),
            inputs_digest=digest("inputs"),
            batches=(digest("erased batch"),),
            created_at=START,
            tree=told["one"].tree,
        )
        ledger.record_release(platform.db, erased)
        with pytest.raises(OutsideError, match="not in the store any more"):
            compare(platform.store, platform.db, erased.digest, told["one"].digest, place)
