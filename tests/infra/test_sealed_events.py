"""Raw events at rest are nobody's to read without the person's key, and nobody's at all without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.events import EventPage, RawEvent
from governance.digest import digest_set
from infra import collected, events
from infra.database import Database
from infra.objects_directory import DirectoryStore
from infra.person_keys import PersonKeyDestroyedError, open_person_keys
from infra.settings import load_settings
from tests.support.keys import keys_in
from tests.support.platform import NOW, event

CANARY = "canary-of-ada"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path / 'p.db'}", now=NOW) as database:
        yield database


def of(person: str, ref: str, answer: str = "x") -> RawEvent:
    return replace(event(ref, answer=answer), annotator=person)


def write(store: DirectoryStore, db: Database, folder: Path, *rows: RawEvent) -> int:
    page = EventPage(events=rows, cursor="c")
    return events.write_events(store, db, page, site="main", source="file", now=NOW, keys=keys_in(folder))


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_was_said_and_by_whom_stands_in_no_object(db: Database, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "o")
    write(
        store,
        db,
        tmp_path,
        of("annotator-ada", "reference-0001", CANARY),
        of("annotator-ben", "reference-0002", "another answer"),
    )
    stored = everything(tmp_path / "o")
    assert stored
    for word in (CANARY, "annotator-ada", "reference-0001", "another answer"):
        assert word.encode() not in stored
    read = {e.ref: e for e in events.read_events(store, db, keys=keys_in(tmp_path))}
    assert (read["reference-0001"].raw, read["reference-0001"].annotator) == (
        {"answer": CANARY},
        "annotator-ada",
    )
    assert collected.annotator_events(db, "main", "annotator-ada") == 1


def test_the_same_events_are_the_same_object_and_another_folder_gives_the_same_digest(
    db: Database, tmp_path: Path
) -> None:
    store, rows = DirectoryStore(tmp_path / "o"), (of("ada", "r1"), of("ben", "r2"))
    write(store, db, tmp_path, *rows)
    digests = []
    for folder in (tmp_path, tmp_path / "elsewhere"):
        with Database(f"sqlite:///{folder / 'again.db'}", now=NOW) as again:
            write(store, again, folder, *rows)
            digests.append(events.events_digest(again))
    # The same keys seal to the same bytes; other keys to others, and the identity depends on neither.
    assert len(list(store.list("raw/main"))) == 2
    assert digests == [digest_set(row.digest for row in rows)] * 2


def test_who_is_erased_is_read_no_more_and_collected_no_more(db: Database, tmp_path: Path) -> None:
    store, keys = DirectoryStore(tmp_path / "o"), keys_in(tmp_path)("main")
    write(store, db, tmp_path, of("ada", "r1", CANARY), of("ben", "r2"), of("ada", "r3"))
    keys.destroy("ada")
    assert [e.ref for e in events.read_events(store, db, keys=keys_in(tmp_path))] == ["r2"]
    with db.write() as connection:
        assert collected.forget_events(connection, "main", "ada") == 2
        assert collected.forget_events(connection, "main", "ada") == 0
    assert events.events_digest(db) == digest_set([of("ben", "r2").digest])
    # The source still holds the answers, and a new one: none of them comes back.
    assert write(store, db, tmp_path, of("ada", "r1", CANARY), of("ada", "r4"), of("ben", "r5")) == 1
    assert {e.ref for e in events.read_events(store, db, keys=keys_in(tmp_path))} == {"r2", "r5"}
    assert collected.cursor(db, "main", "file") == "c"
    with pytest.raises(PersonKeyDestroyedError):
        keys.open_alike("ada", [b"bp2"])


def test_a_line_put_under_somebody_else_does_not_open(db: Database, tmp_path: Path) -> None:
    from sqlalchemy import text

    from governance.errors import OutsideError

    store = DirectoryStore(tmp_path / "o")
    write(store, db, tmp_path, of("ada", "r1"), of("ben", "r2"))
    with db.write() as connection:
        connection.execute(text("UPDATE raw_events SET annotator = 'ben' WHERE ref = 'r1'"))
    with pytest.raises(OutsideError, match="not this person's"):
        list(events.read_events(store, db, keys=keys_in(tmp_path)))


def test_events_from_before_they_were_sealed_are_still_read(db: Database, tmp_path: Path) -> None:
    from governance.digest import canonical

    store, row = DirectoryStore(tmp_path / "o"), event("old")
    chunk = store.put("raw/main", canonical(row.as_json()) + b"\n")
    collected.append_events(db, "main", "file", [row], chunk, "c", now=NOW)
    assert list(events.read_events(store, db, keys=keys_in(tmp_path))) == [row]


def test_a_folder_without_a_stack_gets_one_site_key_and_keeps_it(tmp_path: Path) -> None:
    first = open_person_keys(load_settings(tmp_path), "main").seal_alike("ada", [b"x"])
    again = open_person_keys(load_settings(tmp_path), "main").seal_alike("ada", [b"x"])
    assert first == again
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert load_settings(tmp_path).site("main").key.get_secret_value()
