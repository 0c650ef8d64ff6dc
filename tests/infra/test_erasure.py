"""What one person leaves in the platform's own stores, and that erasing it leaves everybody else's alone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.importers import read_trl
from annotation.receipt import Done, Found, Remains, make_receipt, receipt_lines
from annotation.records import PROFILES, table
from governance.digest import digest as digest_of
from governance.errors import InputError
from governance.log.entry import Kind
from infra import catalogue, erasure, ledger, people, withdrawals
from infra import log as platform_log
from infra.answers import give_answers
from infra.database import Database
from infra.enrolment import withdrawal_requests
from infra.importing import store_import
from infra.objects_directory import DirectoryStore
from infra.portal_judgements import save_draft, show, submit
from infra.residue import compact, sqlite_files
from infra.tables import METADATA
from infra.withdrawal_steps import add_within, plan
from tests.support import portal
from tests.support.keys import keys_in
from tests.support.platform import NOW

ADA, BEN = "a-ada", "a-ben"


def mentions(db: Database, word: str) -> dict[str, int]:
    """Table → rows that hold a word anywhere."""
    found = {}
    with db.read() as connection:
        for name, each in METADATA.tables.items():
            hits = sum(word in repr(tuple(row)) for row in connection.execute(each.select()))
            if hits:
                found[name] = hits
    return found


def lives(db: Database, folder: Path) -> None:
    """Two people who answer, judge, and leave a draft."""
    keys = portal.keys(folder)
    portal.items(db, 3)
    assigner = portal.assigner(db, overlap=2)
    for name in (ADA, BEN):
        person = portal.person(db, name)
        give_answers(db, keys, "main", name, "c@1", [("age", "answered", "25-34", None)], now=NOW)
        first = assigner.reserve(name, NOW)
        assert first is not None
        show(db, person, first, now=NOW)
        submit(db, keys, person, first, {"choice": "first_better", "rationale": None}, seconds=5, now=NOW)
        second = assigner.reserve(name, NOW)
        assert second is not None
        save_draft(db, keys, person, second, {"choice": "first_better"}, now=NOW)
        people.add_profiles(db, [profile(name)])


def profile(name: str) -> dict[str, object]:
    return {
        "annotator": name,
        "site": "main",
        "codebook": "c@1",
        "field": "age",
        "status": "answered",
        "value": "25-34",
        "simulated": True,
    }


def test_rows_of_one_person_go_and_the_others_stay(db: Database, tmp_path: Path) -> None:
    lives(db, tmp_path)
    before = mentions(db, BEN)
    assert (
        set(mentions(db, ADA))
        == set(before)
        >= {
            "annotators",
            "codebook_answers",
            "consent_events",
            "portal_drafts",
            "portal_judgements",
            "profiles",
            "reservations",
        }
    )
    first = withdrawals.ask(db, "main", ADA, via="command", now=NOW)
    assert withdrawals.ask(db, "main", ADA, via="portal", now=NOW) == first
    # Stopped at once, before anything is erased.
    assert portal.assigner(db).reserve(ADA, NOW) is None
    gone = erasure.erase_rows(db, "main", ADA)
    assert (gone["judgements of the portal"], gone["codebook answers"], gone["reservations"]) == (1, 1, 2)
    assert set(mentions(db, ADA)) == {"annotators", "consent_events", "withdrawal_requests"}
    assert mentions(db, BEN) == before
    assert set(erasure.erase_rows(db, "main", ADA).values()) == {0}


def test_who_was_never_enrolled_can_withdraw_and_a_stranger_cannot(db: Database) -> None:
    people.add_profiles(db, [profile("prism-user1")])
    request = withdrawals.ask(db, "main", "prism-user1", via="command", now=NOW)
    assert [each.request for each in withdrawal_requests(db, open_only=True)] == [request.request]
    with pytest.raises(InputError, match="nobody at this site"):
        withdrawals.ask(db, "main", "nobody", via="command", now=NOW)
    with pytest.raises(InputError, match="nobody at this site"):
        withdrawals.ask(db, "elsewhere", "prism-user1", via="command", now=NOW)


def batch(store: DirectoryStore, db: Database, *names: str, quoted: str = "") -> str:
    def parquet(rows: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink)
        return bytes(sink.getvalue().to_pybytes())

    judgements = pa.table({"annotator": pa.array(names, pa.string())})
    quarantine = pa.table({"annotator": pa.array([None], pa.string()), "row": [f'{{"raw":"{quoted}"}}']})
    files = {
        "judgements.parquet": parquet(judgements),
        "quarantine.parquet": parquet(quarantine),
        "profiles.parquet": parquet(table([], PROFILES)),
    }
    digest = store.put_tree("batches", files)
    record = ledger.Batch(
        digest=digest,
        inputs_digest="sha256:" + "1" * 64,
        read=2,
        accepted=1,
        quarantined=1,
        verdict="PASSED",
        created_at=NOW,
        site="main",
    )
    ledger.record_batch(db, record)
    return digest


def test_batches_are_found_by_column_and_by_quotation(db: Database, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "o")
    in_column, quoted = batch(store, db, ADA, BEN), batch(store, db, BEN, quoted=ADA)
    batch(store, db, BEN)
    batch(store, db, ADA + "-2")  # a longer pseudonym is another person
    assert set(erasure.batches_with(store, db, "main", ADA)) == {in_column, quoted}
    assert erasure.batches_with(store, db, "elsewhere", ADA) == []
    release = ledger.Release(
        digest="sha256:" + "2" * 64, inputs_digest="x", batches=(in_column,), created_at=NOW
    )
    ledger.record_release(db, release)
    assert erasure.releases_with(db, {in_column}) == [release.digest]
    assert erasure.releases_with(db, {quoted}) == []


def test_an_erased_batch_is_no_batch_any_more(db: Database, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "o")
    old, new = batch(store, db, ADA), batch(store, db, BEN)
    people.add_profiles(db, [profile(ADA)])
    request = withdrawals.ask(db, "main", ADA, via="command", now=NOW)
    withdrawals.begin(db, request, now=NOW)
    for successor in (new, None):  # the first word counts
        withdrawals.mark_erased(db, request.request, old, successor, now=NOW)
    assert withdrawals.erased_batches(db, request.request) == {old: new}
    assert [each.digest for each in ledger.batches(db)] == [new]


def test_a_withdrawal_adds_up_over_runs_and_is_finished_once(db: Database) -> None:
    people.add_profiles(db, [profile(ADA)])
    request = withdrawals.ask(db, "main", ADA, via="command", now=NOW)
    assert withdrawals.begin(db, request, now=NOW).receipt is None
    withdrawals.add_found(db, request.request, Found(batches=("b1",), releases=("r1",)))
    # A run that was killed after erasing finds nothing; what the first one found stays.
    found = withdrawals.add_found(db, request.request, Found(batches=("b2",)))
    assert found == Found(batches=("b1", "b2"), releases=("r1",))
    for count in (2, 1):
        with db.write() as connection:
            add_within(connection, request.request, "x", {"rows": count})
    # The second run finds one of the files still there, and one more; the receipt counts all three.
    assert plan(db, request.request, "y", {"files": ["one", "two"]}) == {"files": ["one", "two"]}
    assert plan(db, request.request, "y", {"files": ["three", "two"]}) == {"files": ["one", "two", "three"]}
    assert plan(db, request.request, "y", {"nothing": []}) == {"nothing": []}
    state = withdrawals.begin(db, request, now=NOW)
    assert state.done == (
        Done(where="x", what="rows", count=3),
        Done(where="y", what="files", count=3),
        Done(where="y", what="nothing", count=0),
    )
    with pytest.raises(InputError, match="no such withdrawal"):
        withdrawals.receipt_of(db, "w-none")
    receipt = make_receipt(
        request=request.request,
        site="main",
        via="command",
        requested_at=NOW,
        finished_at=NOW,
        found=found,
        done=state.done,
        successors={"b1": "b3", "b2": None},
        remains=[Remains(what="release r1", where="store", why="handed out", until="2026-05-01")],
    )
    kept = withdrawals.finish(db, request.request, receipt, now=NOW)
    assert kept == {**receipt, "salt": kept["salt"]}
    again = {**receipt, "releases": []}
    assert withdrawals.finish(db, request.request, again, now=NOW) == kept
    assert withdrawals.receipt_of(db, request.request) == kept
    assert withdrawals.flagged_releases(db) == {"r1": (request.request,)}
    assert withdrawal_requests(db, open_only=True) == []
    kinds = [entry.kind for _, entry in platform_log.entries(db)]
    assert sorted(kinds) == [Kind.ERASURE, Kind.ERASURE, Kind.WITHDRAWAL]
    # Only whoever holds the receipt, with its salt, can show that it is the one in the log.
    [(_, entry)] = platform_log.entries(db, kinds=[Kind.WITHDRAWAL])
    assert entry.body["receipt"] == withdrawals.receipt_commitment(kept)
    assert entry.body["receipt"] != withdrawals.receipt_commitment({**kept, "releases": []})
    assert entry.body["receipt"] not in {digest_of(receipt), digest_of(kept)}
    # INVARIANT: neither the receipt nor the log names the person.
    assert ADA not in json.dumps(receipt)
    assert not {"withdrawals", "log_entries", "flagged_releases"} & set(mentions(db, ADA))
    text = "\n".join(receipt_lines(receipt))
    assert "b2 by nothing" in text
    assert "release r1 (store): handed out; until 2026-05-01" in text


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_reasons_of_refused_rows_lose_the_person(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from annotation.importers import Refusal

    store = DirectoryStore(tmp_path / "o")
    imported = read_trl(b'{"prompt":"q","chosen":"a","rejected":"b"}\n', name="x", origin="x")
    imported = replace(
        imported, read=2, refused=(Refusal(place="line 2", reason=f"{ADA} judged the same at line 1"),)
    )
    store_import(store, db, imported, site="main", now=NOW, keys=keys_in(tmp_path))
    [named] = erasure.refusals_with(store, db, ADA)
    with monkeypatch.context() as patched:
        patched.setattr(store, "delete", stopped)
        with pytest.raises(KeyboardInterrupt):
            erasure.erase_refusals(store, db, ADA, [named])
    # Stopped before the old object went: nothing refers to it any more, but it was named.
    assert erasure.refusals_with(store, db, ADA) == []
    for _ in range(2):
        erasure.erase_refusals(store, db, ADA, [named])
    [tree] = store.list("imports")
    [record] = catalogue.imports(db)
    assert record.object == tree
    assert b"(erased) judged the same" in store.get_file("imports", tree, "refused.jsonl")


def test_what_was_deleted_is_on_the_disk_until_the_file_is_rebuilt(tmp_path: Path) -> None:
    file = tmp_path / "a" / "x.db"
    file.parent.mkdir()
    (tmp_path / "a" / "y.db").write_text("no database")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE t (v TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("canary-0815",), ("kept",)])
        connection.commit()
        connection.execute("DELETE FROM t WHERE v LIKE 'canary%'")
    connection.close()
    assert b"canary-0815" in file.read_bytes()
    assert sqlite_files(tmp_path) == [file]
    compact(file)
    assert b"canary-0815" not in file.read_bytes()
    assert b"kept" in file.read_bytes()
