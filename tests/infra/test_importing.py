"""Imports into S3: the same as into a directory, also where the service goes away in the middle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.importers import Import, read_pandalm, read_trl
from governance.errors import OutsideError
from infra import catalogue
from infra.database import Database
from infra.events import events_digest, read_events
from infra.importing import store_import
from infra.objects_directory import DirectoryStore
from tests.support.keys import keys_in
from tests.support.platform import NOW
from tests.support.proxy import Proxy
from tests.support.s3 import Server, rclone_server

SHARED = Path(os.environ.get("BOUNDS_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
PANDALM = SHARED / "pandalm" / "testset-v1.json"


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path / 'platform.db'}", now=NOW) as database:
        yield database


def pairs(count: int) -> Import:
    lines = [json.dumps({"prompt": f"q{n}", "chosen": "yes", "rejected": "no"}) for n in range(count)]
    return read_trl("\n".join(lines).encode(), name="pairs.jsonl", origin="pairs")


@pytest.mark.servers
def test_s3_and_directory_hold_the_same(rclone: Server, db: Database, tmp_path: Path) -> None:
    imported = pairs(50)
    there = store_import(rclone.store("same"), db, imported, site="main", now=NOW, keys=keys_in(tmp_path))
    with Database(f"sqlite:///{tmp_path / 'other.db'}", now=NOW) as other:
        here = store_import(
            DirectoryStore(tmp_path / "o"), other, imported, site="main", now=NOW, keys=keys_in(tmp_path)
        )
        assert here == there
        assert events_digest(other) == events_digest(db)
    assert len(list(read_events(rclone.store("same"), db, keys=keys_in(tmp_path)))) == 50


@pytest.mark.servers
def test_a_service_that_goes_away_at_any_request(rclone: Server, tmp_path: Path) -> None:
    imported = pairs(20)
    failures: list[str] = []
    with Proxy(rclone.endpoint) as proxy:
        through = Server(endpoint=proxy.endpoint, access_key=rclone.access_key, secret_key=rclone.secret_key)
        for passing in range(8):
            store = through.store(f"away-{passing}", attempts=2)
            with Database(f"sqlite:///{tmp_path / f'{passing}.db'}", now=NOW) as db:
                proxy.fail_after(passing)
                try:
                    store_import(store, db, imported, site="main", now=NOW, keys=keys_in(tmp_path))
                except OutsideError as error:
                    failures.append(error.diagnostics())
                proxy.heal()
                store_import(store, db, imported, site="main", now=NOW, keys=keys_in(tmp_path))
                assert (
                    store_import(
                        store, db, imported, site="main", now=NOW, keys=keys_in(tmp_path)
                    ).new_judgements
                    == 0
                )
                events = list(read_events(store, db, keys=keys_in(tmp_path)))
                assert len({event.ref for event in events}) == len(events) == 20
                assert catalogue.count_items(db) == 20
                assert len(list(store.list("imports"))) == len(list(store.list("raw/main"))) == 1
    # Three files of the tree and one chunk are four requests at least.
    assert len(failures) >= 4
    assert all("tried 2 times" in failure for failure in failures)


@pytest.mark.data
@pytest.mark.skipif(not PANDALM.is_file(), reason=f"{PANDALM} is not here")
def test_the_published_file_is_imported_once(db: Database, tmp_path: Path) -> None:
    imported = read_pandalm(PANDALM.read_bytes(), name=PANDALM.name)
    store = DirectoryStore(tmp_path / "o")
    first = store_import(store, db, imported, site="main", now=NOW, keys=keys_in(tmp_path))
    second = store_import(store, db, imported, site="main", now=NOW, keys=keys_in(tmp_path))
    assert (first.new_items, first.new_judgements) == (993, 2979)
    assert (second.new_items, second.new_judgements, second.object) == (0, 0, first.object)
    [record] = catalogue.imports(db)
    assert (record.read, record.imported, record.refused) == (999, 993, 6)
    assert len(list(read_events(store, db, keys=keys_in(tmp_path)))) == 2979
