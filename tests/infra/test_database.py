"""The platform's database, the same on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import StatementError

from annotation.events import EventPage
from annotation.ports import KnownEvents
from governance.digest import digest_set
from governance.errors import DigestError, InputError, OutsideError, RefusedError
from infra import catalogue, collected, events, ledger, log
from infra.catalogue_tables import item_tables, presentation_tables
from infra.database import Database
from infra.migrations import Migration, migrate, migrations
from infra.objects_directory import DirectoryStore
from infra.tables import METADATA
from tests.support.decisions import envelope
from tests.support.keys import keys_in
from tests.support.platform import NOW, event, import_record, item, presentation
from tests.support.postgres import is_installed, postgres_server

HERE = ("main", "file")
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not is_installed():
        pytest.skip("PostgreSQL 15 is not installed")
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'platform.db'}"
    address = request.getfixturevalue("server")
    name = f"t{next(NUMBERS)}"
    engine = create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{address}/{name}"


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    with Database(url, now=NOW) as database:
        yield database


class TestMigrations:
    def test_the_declared_tables_are_the_migrated_ones(self, db: Database) -> None:
        with db.read() as connection:
            found = inspect(connection)
            assert set(found.get_table_names()) == {*METADATA.tables, "schema_migrations"}
            for name, table in METADATA.tables.items():
                columns = {column["name"]: column for column in found.get_columns(name)}
                assert list(columns) == [column.name for column in table.columns], name
                for column in table.columns:
                    assert columns[column.name]["nullable"] == column.nullable, f"{name}.{column.name}"
                    impl = getattr(column.type, "impl", column.type)
                    assert type(columns[column.name]["type"]).__name__ == type(impl).__name__.replace(
                        "Text", "TEXT"
                    ).replace("BigInteger", "BIGINT"), f"{name}.{column.name}"
                keys = found.get_pk_constraint(name)["constrained_columns"]
                assert keys == [column.name for column in table.primary_key], name

    def test_opening_again_keeps_what_is_there(self, db: Database, url: str) -> None:
        catalogue.add_items(db, [item()], import_record())
        with Database(url, now=NOW) as again:
            assert catalogue.count_items(again) == 1

    def test_versions_have_no_gaps(self) -> None:
        assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))

    def test_a_newer_database_is_refused(self, db: Database, url: str) -> None:
        with db.write() as connection:
            connection.execute(
                text("INSERT INTO schema_migrations VALUES (9000, 'later', 'sha256:0', 'then')")
            )
        with pytest.raises(InputError, match="newer version of bounds") as caught:
            Database(url, now=NOW)
        assert caught.value.value == 9000

    def test_an_edited_migration_is_refused(self, db: Database) -> None:
        first, *rest = migrations()
        with db.write() as connection, pytest.raises(InputError, match="is not the one"):
            migrate(connection, now=NOW, known=[replace(first, sql=first.sql + "\n-- edited"), *rest])

    def test_a_failing_migration_leaves_nothing(self, db: Database) -> None:
        broken = Migration(
            version=len(migrations()) + 1, name="broken", sql="CREATE TABLE x (a TEXT); SELECT nonsense"
        )
        with pytest.raises(OutsideError), db.write() as connection:
            migrate(connection, now=NOW, known=[*migrations(), broken])
        with db.read() as connection:
            assert not inspect(connection).has_table("x")
            applied = connection.execute(text("SELECT version FROM schema_migrations")).scalars().all()
        assert applied == [migration.version for migration in migrations()]

    def test_many_processes_open_a_new_database_at_once(self, url: str) -> None:
        failures = _together(lambda _: Database(url, now=NOW).close(), 6)
        assert failures == []


class TestAddresses:
    @pytest.mark.parametrize(
        "address", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "oracle+none://x"]
    )
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        with pytest.raises(InputError, match="database_url"):
            Database(address, now=NOW)

    def test_a_server_that_is_down_is_an_outside_error_without_the_password(self) -> None:
        with pytest.raises(OutsideError) as caught:
            Database("postgresql+psycopg2://me:hunter2@127.0.0.1:9/x", now=NOW)
        assert "hunter2" not in str(caught.value)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "p.db").write_bytes(b"not a database" * 100)
        with pytest.raises(OutsideError, match="not a database"):
            Database(f"sqlite:///{tmp_path / 'p.db'}", now=NOW)

    def test_sqlite_is_durable_and_checks_references(self, tmp_path: Path) -> None:
        with Database(f"sqlite:///{tmp_path / 'deep' / 'p.db'}", now=NOW) as db, db.read() as connection:
            pragma = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


class TestEvents:
    def test_nothing_yet(self, db: Database) -> None:
        known: KnownEvents = collected.known(db, *HERE)
        assert known.versions() == {}
        assert known.next_revision("a") == 1
        assert collected.cursor(db, *HERE) is None
        assert collected.chunks(db) == []

    def test_known_is_the_newest_and_leaves_deletions_out(self, db: Database) -> None:
        rows = [event("a"), event("a", 2, answer=2), event("b"), event("b", 2, deleted=True), event("c")]
        collected.append_events(db, *HERE, rows, "sha256:c1", "7", now=NOW)
        collected.append_events(db, "other", "file", [event("z", site="other")], "sha256:c2", "1", now=NOW)
        known = collected.known(db, *HERE)
        assert known.versions() == {"a": (2, rows[1].version), "c": (1, rows[4].version)}
        assert [known.next_revision(ref) for ref in "abcz"] == [3, 3, 2, 1]
        assert collected.cursor(db, *HERE) == "7"
        assert [chunk.events for chunk in collected.chunks(db, "main")] == [5]
        assert collected.chunks(db)[0].recorded_at == NOW

    def test_appending_again_changes_nothing(self, db: Database) -> None:
        for _ in range(2):
            collected.append_events(db, *HERE, [event("a"), event("b")], "sha256:c1", "7", now=NOW)
        assert len(list(collected.event_digests(db))) == 2

    def test_another_event_under_the_same_revision_is_never_dropped(self, db: Database) -> None:
        collected.append_events(db, *HERE, [event("a", answer=1)], "sha256:c1", "7", now=NOW)
        with pytest.raises(OutsideError, match="another collection"):
            collected.append_events(db, *HERE, [event("b"), event("a", answer=2)], "sha256:c2", "8", now=NOW)
        assert collected.cursor(db, *HERE) == "7"
        assert list(collected.event_digests(db)) == [event("a", answer=1).digest]
        assert len(collected.chunks(db)) == 1

    def test_events_of_another_source_are_a_mistake(self, db: Database) -> None:
        with pytest.raises(ValueError, match="not of main/portal"):
            collected.append_events(db, "main", "portal", [event("a")], "sha256:c", "1", now=NOW)
        with pytest.raises(ValueError, match="go together"):
            collected.append_events(db, *HERE, [event("a")], None, "1", now=NOW)

    def test_a_time_without_a_zone_is_a_mistake(self, db: Database) -> None:
        with pytest.raises(StatementError, match="needs a zone"):
            collected.append_events(db, *HERE, [event("a")], "sha256:c", "1", now=datetime(2026, 1, 1))

    def test_what_validation_reads_comes_some_rows_at_a_time(self, db: Database) -> None:
        assert list(item_tables(db)) == list(presentation_tables(db, "main")) == []

    def test_written_and_read(self, db: Database, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path / "o")
        rows = tuple(event(str(n), answer={"text": "ü\u2028\n🙂"}) for n in range(50))
        assert (
            events.write_events(
                store,
                db,
                EventPage(events=rows, cursor="c"),
                site="main",
                source="file",
                now=NOW,
                keys=keys_in(tmp_path),
            )
            == 50
        )
        assert sorted(e.ref for e in events.read_events(store, db, keys=keys_in(tmp_path))) == sorted(
            e.ref for e in rows
        )
        assert {e.digest for e in events.read_events(store, db, "main", keys=keys_in(tmp_path))} == {
            e.digest for e in rows
        }
        assert list(events.read_events(store, db, "absent", keys=keys_in(tmp_path))) == []
        assert events.events_digest(db) == digest_set(e.digest for e in rows)

    def test_a_retry_with_other_pages_stores_each_event_once(self, db: Database, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path / "o")
        rows = tuple(event(str(n)) for n in range(10))
        written = [
            events.write_events(
                store,
                db,
                EventPage(events=part, cursor="c"),
                site="main",
                source="file",
                now=NOW,
                keys=keys_in(tmp_path),
            )
            for part in (rows[:6], rows[3:9], rows, ())
        ]
        assert written == [6, 3, 1, 0]
        assert sorted(e.ref for e in events.read_events(store, db, keys=keys_in(tmp_path))) == [
            str(n) for n in range(10)
        ]

    def test_a_kill_between_object_and_index_is_made_good(
        self, db: Database, tmp_path: Path, monkeypatch
    ) -> None:
        store, page = DirectoryStore(tmp_path / "o"), EventPage(events=(event("a"), event("b")), cursor="c")

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(collected, "append_events", killed)
            with pytest.raises(KeyboardInterrupt):
                events.write_events(
                    store, db, page, site="main", source="file", now=NOW, keys=keys_in(tmp_path)
                )
        assert list(events.read_events(store, db, keys=keys_in(tmp_path))) == []
        assert (
            events.write_events(store, db, page, site="main", source="file", now=NOW, keys=keys_in(tmp_path))
            == 2
        )
        assert len(list(store.list("raw/main"))) == 1

    def test_damage_is_found(self, db: Database, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path / "o")
        page = EventPage(events=(event("a"), event("b")), cursor="c")
        events.write_events(store, db, page, site="main", source="file", now=NOW, keys=keys_in(tmp_path))
        with db.write() as connection:
            connection.execute(text("UPDATE raw_events SET digest = 'sha256:0' WHERE ref = 'b'"))
        with pytest.raises(DigestError):
            list(events.read_events(store, db, keys=keys_in(tmp_path)))
        with db.write() as connection:
            connection.execute(text("UPDATE raw_events SET position = 9 WHERE ref = 'b'"))
        with pytest.raises(OutsideError, match="holds no line 9"):
            list(events.read_events(store, db, keys=keys_in(tmp_path)))
        [chunk] = collected.chunks(db)
        store.delete("raw/main", chunk.digest)
        with pytest.raises(OutsideError, match="not in the object store"):
            list(events.read_events(store, db, keys=keys_in(tmp_path)))

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        derandomize=True,
    )
    @given(cuts=st.lists(st.integers(0, 12), max_size=4))
    def test_chunks_mean_nothing(self, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
        folder = tmp_path_factory.mktemp("law")
        rows = [event(str(n)) for n in range(12)]
        edges = [0, *sorted(cuts), 12]
        with Database(f"sqlite:///{folder / 'p.db'}", now=NOW) as db:
            store = DirectoryStore(folder / "o")
            for start, end in itertools.pairwise(edges):
                page = EventPage(events=tuple(rows[start:end]), cursor=str(end))
                events.write_events(
                    store, db, page, site="main", source="file", now=NOW, keys=keys_in(folder)
                )
            assert events.events_digest(db) == digest_set(e.digest for e in rows)
            assert {e.digest for e in events.read_events(store, db, keys=keys_in(folder))} == {
                e.digest for e in rows
            }

    def test_many_collectors_at_once(self, db: Database, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path / "o")
        page = EventPage(events=tuple(event(str(n)) for n in range(200)), cursor="c")
        failures = _together(
            lambda _: events.write_events(
                store, db, page, site="main", source="file", now=NOW, keys=keys_in(tmp_path)
            ),
            6,
        )
        assert failures == []
        assert len(list(events.read_events(store, db, keys=keys_in(tmp_path)))) == 200

    def test_collectors_that_come_from_opposite_ends_do_not_block_each_other(
        self, db: Database, tmp_path: Path
    ) -> None:
        store = DirectoryStore(tmp_path / "o")
        rows = [event(str(n)) for n in range(300)]

        def collect(number: int) -> None:
            ordered = tuple(rows if number % 2 else reversed(rows))
            events.write_events(
                store,
                db,
                EventPage(events=ordered, cursor="c"),
                site="main",
                source="file",
                now=NOW,
                keys=keys_in(tmp_path),
            )

        assert _together(collect, 6) == []
        assert len(list(events.read_events(store, db, keys=keys_in(tmp_path)))) == 300


class TestCatalogue:
    def test_items_round_trip(self, db: Database) -> None:
        rows = [item("a"), item("b")]
        assert catalogue.add_items(db, rows, import_record()) == 2
        assert catalogue.items(db) == sorted(rows, key=lambda row: row["item"])
        assert catalogue.items(db, [rows[1]["item"]]) == [rows[1]]
        assert catalogue.items(db, []) == []
        assert catalogue.imports(db) == [import_record()]

    def test_importing_again_adds_nothing(self, db: Database) -> None:
        later = import_record(at=NOW + timedelta(days=1), file_name="copy.json")
        assert catalogue.add_items(db, [item("a")], import_record()) == 1
        assert catalogue.add_items(db, [item("a")], later) == 0
        assert catalogue.imports(db) == [import_record()]
        assert (
            catalogue.add_items(db, [item("a"), item("c")], import_record(object="sha256:" + "4" * 64)) == 1
        )
        assert len(catalogue.imports(db)) == 2

    def test_another_item_under_the_same_id_is_refused(self, db: Database) -> None:
        catalogue.add_items(db, [item("a")], import_record())
        forged = {**item("b"), "item": item("a")["item"]}
        with pytest.raises(InputError, match="another item has this id"):
            catalogue.add_items(db, [item("c"), forged], import_record())
        assert catalogue.items(db) == [item("a")]

    def test_counts_that_do_not_add_up_are_refused(self, db: Database) -> None:
        with pytest.raises(InputError, match="refuses the row"):
            catalogue.add_items(db, [], import_record(read=4))

    def test_unknown_items_are_named(self, db: Database) -> None:
        with pytest.raises(InputError, match="i-unknown"):
            catalogue.items(db, ["i-unknown"])

    def test_presentations_round_trip_and_the_first_counts(self, db: Database) -> None:
        row = item()
        catalogue.add_items(db, [row], import_record())
        first, second = presentation(row, 0), presentation(row, 1, policy_digest="sha256:p", consent="c")
        assert catalogue.add_presentations(db, [first, second]) == 2
        turned = presentation(row, 0, presentation="p-other", shown=tuple(reversed(first.shown)))
        assert catalogue.add_presentations(db, [turned, second]) == 0
        assert catalogue.presentations(db, "main") == [first, second]
        assert catalogue.presentations(db, "absent") == []
        assert catalogue.add_presentations(db, [presentation(row, 0, presentation="x", site="at")]) == 1

    def test_presentations_of_unknown_items_are_refused(self, db: Database) -> None:
        with pytest.raises(InputError, match="refuses the row"):
            catalogue.add_presentations(db, [presentation(item())])

    def test_where_a_presentation_is_shown(self, db: Database) -> None:
        row = item()
        catalogue.add_items(db, [row], import_record())
        shown = presentation(row)
        catalogue.add_presentations(db, [shown])
        for _ in range(2):
            catalogue.set_presentation_ref(db, shown.presentation, "17")
        with pytest.raises(InputError, match="already shown elsewhere"):
            catalogue.set_presentation_ref(db, shown.presentation, "18")
        assert catalogue.presentations(db) == [replace(shown, source_ref="17")]
        catalogue.set_presentation_ref(db, shown.presentation, "18", replace=True)
        assert catalogue.presentations(db) == [replace(shown, source_ref="18")]
        with pytest.raises(InputError, match="no such presentation"):
            catalogue.set_presentation_ref(db, "absent", "1")


BATCH = ledger.Batch(
    digest="sha256:b",
    inputs_digest="sha256:i",
    read=5,
    accepted=3,
    quarantined=2,
    verdict="PASS",
    created_at=NOW,
)
RELEASE = ledger.Release(
    digest="sha256:r", inputs_digest="sha256:i", batches=("sha256:a", "sha256:b"), created_at=NOW
)
AUDIT = ledger.Audit(
    digest="sha256:a", model="m", version="1", verdict="FAIL", policy_digest="sha256:p", created_at=NOW
)
DECISION = ledger.Decision(
    digest="sha256:d", model="m", version="1", verdict="PASS", envelope=envelope().decode(), created_at=NOW
)
PROMOTION = ledger.Promotion(
    model="m", alias="champion", version="1", outcome="refused", at=NOW, reasons=("T1.x", "ü")
)
POLICY = ledger.PolicyVersion(
    id="t1", version="1.0.0", digest="sha256:p", tier=1, text="id: t1\n", first_seen=NOW
)
RECORDS: list[tuple[Callable, Callable, object]] = [
    (ledger.record_batch, ledger.batches, BATCH),
    (ledger.record_release, ledger.releases, RELEASE),
    (ledger.record_audit, ledger.audits, AUDIT),
    (ledger.record_decision, ledger.decisions, DECISION),
    (ledger.record_promotion, ledger.promotions, PROMOTION),
    (ledger.record_policy, ledger.policies, POLICY),
]


class TestLedger:
    @pytest.mark.parametrize(
        ("record", "listed", "row"), RECORDS, ids=lambda value: getattr(value, "__name__", "")
    )
    def test_recorded_once_and_listed(
        self, db: Database, record: Callable, listed: Callable, row: object
    ) -> None:
        assert listed(db) == []
        record(db, row)
        record(db, row)
        assert listed(db) == [row]

    @pytest.mark.parametrize(
        ("record", "listed", "row", "change"),
        [
            (ledger.record_batch, ledger.batches, BATCH, {"verdict": "FAIL"}),
            (ledger.record_release, ledger.releases, RELEASE, {"batches": ("sha256:b",)}),
            (ledger.record_audit, ledger.audits, AUDIT, {"verdict": "PASS"}),
            (
                ledger.record_decision,
                ledger.decisions,
                DECISION,
                {"envelope": envelope(signers=("ann",)).decode()},
            ),
            (ledger.record_promotion, ledger.promotions, PROMOTION, {"reasons": ()}),
            (ledger.record_policy, ledger.policies, POLICY, {"digest": "sha256:q"}),
        ],
        ids=["batch", "release", "audit", "decision", "promotion", "policy"],
    )
    def test_something_else_under_the_same_name_is_refused(
        self, db: Database, record: Callable, listed: Callable, row: object, change: dict[str, object]
    ) -> None:
        record(db, row)
        with pytest.raises(RefusedError) as caught:
            record(db, replace(row, **change))
        [reason] = caught.value.reasons
        assert reason.startswith(next(iter(change)))
        assert listed(db) == [row]

    def test_the_first_time_and_run_stay(self, db: Database) -> None:
        later = NOW + timedelta(hours=1)
        ledger.record_release(db, replace(RELEASE, run_id="one"))
        ledger.record_release(db, replace(RELEASE, run_id="two", created_at=later))
        ledger.record_policy(db, POLICY)
        ledger.record_policy(db, replace(POLICY, text="{id: t1}", first_seen=later))
        assert ledger.releases(db) == [replace(RELEASE, run_id="one")]
        assert ledger.policies(db) == [POLICY]

    @pytest.mark.parametrize(
        ("record", "listed", "row"), RECORDS, ids=lambda value: getattr(value, "__name__", "")
    )
    def test_each_row_stands_once_in_the_log(
        self, db: Database, record: Callable, listed: Callable, row: object
    ) -> None:
        record(db, row)
        record(db, row)
        assert log.size(db) == 1
        [(position, entry)] = log.entries(db)
        assert position == 0
        assert entry.at == NOW.replace(microsecond=0)

    def test_what_is_no_envelope_is_no_decision(self, db: Database) -> None:
        with pytest.raises(InputError, match="recorded as it was signed"):
            ledger.record_decision(db, replace(DECISION, envelope="{}"))
        assert log.size(db) == 0

    def test_a_batch_that_does_not_add_up_is_refused(self, db: Database) -> None:
        with pytest.raises(InputError, match="refuses the row"):
            ledger.record_batch(db, replace(BATCH, accepted=4))
        assert log.size(db) == 0

    def test_oldest_first_whatever_the_zone(self, db: Database) -> None:
        zone = timezone(timedelta(hours=5, minutes=30))
        times = [NOW + timedelta(minutes=n) for n in (30, 0, 90)]
        for number, at in enumerate(times):
            ledger.record_promotion(db, replace(PROMOTION, version=str(number), at=at.astimezone(zone)))
        assert [row.version for row in ledger.promotions(db)] == ["1", "0", "2"]
        assert [row.at for row in ledger.promotions(db)] == sorted(times)
        assert all(row.at.tzinfo == UTC for row in ledger.promotions(db))


def test_a_locked_sqlite_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database(f"sqlite:///{path}", now=NOW) as db:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = threading.Event()

        def write() -> None:
            begun.set()
            ledger.record_policy(db, POLICY)

        thread = threading.Thread(target=write)
        thread.start()
        begun.wait()
        assert ledger.policies(db) == []  # readers are not held up
        thread.join(timeout=0.3)
        assert thread.is_alive()
        other.execute("COMMIT")
        other.close()
        thread.join(timeout=20)
        assert ledger.policies(db) == [POLICY]


def _together(call: Callable[[int], object], count: int) -> list[BaseException]:
    failures: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            call(number)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
