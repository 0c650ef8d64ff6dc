"""The log in SQLite and in a real PostgreSQL: one order, each act once, whole after a kill, and the tree of its entries."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from governance.errors import InputError
from governance.log.entry import Entry, Kind
from governance.log.merkle import EMPTY_ROOT, leaf_hash, root_of, verify_consistency, verify_inclusion
from governance.log.tiles import WIDTH
from infra import log
from infra.database import Database
from infra.tables.log import LOG_ENTRIES
from tests.support.postgres import is_installed, postgres_server

NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
NUMBERS = itertools.count()
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server():
    if not is_installed():
        pytest.skip("PostgreSQL 15 is not installed")
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'platform.db'}"
    address = request.getfixturevalue("server")
    name = f"log{next(NUMBERS)}"
    engine = create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{address}/{name}"


@pytest.fixture
def db(url):
    with Database(url, now=NOW) as database:
        yield database


def act(number):
    return Kind.KEY, {"number": number}


def leaves(db):
    with db.read() as connection:
        rows = connection.execute(select(LOG_ENTRIES.c.entry).order_by(LOG_ENTRIES.c.position)).scalars()
        return [leaf_hash(row.encode()) for row in rows]


def test_an_act_is_appended_once(db):
    assert log.append(db, Kind.KEY, {"number": 1}, NOW) == 0
    assert log.append(db, Kind.KEY, {"number": 2}, NOW) == 1
    assert log.append(db, Kind.KEY, {"number": 1}, NOW + timedelta(days=1)) == 0
    assert log.append(db, Kind.TRUST, {"number": 1}, NOW) == 2
    assert log.append_all(db, [act(5), act(2), act(5), act(6)], NOW) == [3, 1, 3, 4]
    assert log.append_all(db, [], NOW) == []
    assert log.size(db) == 5
    assert log.find(db, Kind.KEY, {"number": 6}) == 4
    assert log.find(db, Kind.KEY, {"number": 7}) is None
    assert [position for position, _ in log.entries(db, kinds=[Kind.TRUST])] == [2]
    assert [dict(entry.body) for _, entry in log.entries(db, begin=3, end=4)] == [{"number": 5}]


def test_what_may_not_stand_there_leaves_nothing(db):
    with pytest.raises(InputError, match="may not stand in the log"):
        log.append_all(db, [act(1), (Kind.KEY, {"who": "ann@example.org"})], NOW)
    assert log.size(db) == 0


@pytest.mark.parametrize("batches", [[1] * 20, [255, 1, 1, 255, 256, 257, 1], [700], [3, 500, 600]])
def test_roots_and_proofs_are_those_of_the_entries(db, batches):
    numbers = itertools.count()
    sizes = [0]
    for count in batches:
        log.append_all(db, [act(next(numbers)) for _ in range(count)], NOW)
        sizes.append(sizes[-1] + count)
    expected = leaves(db)
    with db.read() as connection:
        tree = log.Tree.at(connection)
        assert tree.size == sizes[-1] == len(expected)
        assert tree.root(0) == EMPTY_ROOT
        root = tree.root()
        for size in sizes[1:]:
            assert tree.root(size) == root_of(expected[:size])
            assert verify_consistency(size, tree.root(size), tree.size, root, tree.consistency(size))
        for position in {0, 1, len(expected) // 2, len(expected) - 1}:
            proof = tree.inclusion(position)
            assert verify_inclusion(expected[position], position, tree.size, proof, root)
        with pytest.raises(InputError):
            tree.inclusion(tree.size)
        with pytest.raises(InputError):
            tree.inclusion(0, tree.size + 1)
        with pytest.raises(InputError):
            tree.consistency(0)


def test_three_levels_of_tiles(tmp_path):
    count = WIDTH * WIDTH + 300
    made = [act(number) for number in range(count)]
    with Database(f"sqlite:///{tmp_path / 'large'}.db", now=NOW) as db:
        for begin, end in itertools.pairwise((0, WIDTH * WIDTH - 300, WIDTH * WIDTH - 1, count)):
            log.append_all(db, made[begin:end], NOW)
        with db.read() as connection:
            tree = log.Tree.at(connection)
            assert tree.root() == root_of(
                leaf_hash(Entry(kind=k, at=NOW, body=b).to_bytes()) for k, b in made
            )
            assert len(tree.tile(1, 0)) == WIDTH
            assert len(tree.tile(1, 1)) == 1
            assert len(tree.tile(2, 0)) == 1


def test_many_writers_make_one_order(url):
    def write(worker):
        with Database(url, now=NOW) as db:
            for number in range(40):
                log.append_all(db, [act(number), act(1000 * (worker + 1) + number)], NOW)

    with Database(url, now=NOW) as db:
        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.size(db) == 40 + 4 * 40
        with db.read() as connection:
            positions = connection.execute(select(LOG_ENTRIES.c.position).order_by(LOG_ENTRIES.c.position))
            assert list(positions.scalars()) == list(range(200))
            assert log.Tree.at(connection).root() == root_of(leaves(db))


CHILD = """
import sys
from datetime import UTC, datetime
from governance.log.entry import Kind
from infra import log
from infra.database import Database
now = datetime(2026, 6, 2, tzinfo=UTC)
with Database(sys.argv[1], now=now) as db:
    for batch in range(100_000):
        log.append_all(db, [(Kind.KEY, {"number": 50 * batch + at}) for at in range(50)], now)
        print(batch, flush=True)
"""


def test_killed_at_any_moment_it_holds_whole_batches_and_goes_on(url):
    with Database(url, now=NOW) as db:
        for pause in (0.0, 0.05):
            with subprocess.Popen(
                [sys.executable, "-c", CHILD, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
            ) as child:
                acknowledged = int(child.stdout.readline())
                time.sleep(pause)
                os.kill(child.pid, signal.SIGKILL)
                lines = child.stdout.read().splitlines()
            whole = [int(line) for line in lines[:-1] if line.isdigit()]
            acknowledged = max(acknowledged, *whole, 0)
            size = log.size(db)
            assert size >= 50 * (acknowledged + 1)
            assert size % 50 == 0
            found = leaves(db)
            assert len(found) == size
            with db.read() as connection:
                assert log.Tree.at(connection).root() == root_of(found)
