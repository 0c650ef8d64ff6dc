"""The same suite on SQLite and on a real PostgreSQL: ``url`` and ``db`` come empty, once of each kind."""

import itertools

import pytest
from sqlalchemy import create_engine, inspect, text

from infra.database import Database
from infra.tables import METADATA
from tests.support.platform import NOW
from tests.support.postgres import is_installed, postgres_server

NUMBERS = itertools.count()


# One server for all: starting one takes seconds, and every test empties its tables or makes a database of its own.
@pytest.fixture(scope="session")
def postgres_address():
    if not is_installed():
        pytest.skip("PostgreSQL 15 is not installed")
    with postgres_server() as address:
        yield address


def new_database(address):
    """A fresh database on a PostgreSQL server; its address."""
    name = f"d{next(NUMBERS)}"
    engine = create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{address}/{name}"


@pytest.fixture(scope="session")
def _postgres_database(postgres_address):
    address = new_database(postgres_address)
    with Database(address, now=NOW) as database:
        yield address, database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def db(request, tmp_path):
    if request.param == "sqlite":
        with Database(f"sqlite:///{tmp_path / 'platform.db'}", now=NOW) as database:
            yield database
        return
    _, database = request.getfixturevalue("_postgres_database")
    with database.write() as connection:
        # Without the checks of references the order does not matter; much quicker than TRUNCATE on small tables.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("; ".join(f"DELETE FROM {name}" for name in METADATA.tables)))
        connection.execute(text("INSERT INTO log_head (id, size) VALUES (1, 0)"))
    yield database


@pytest.fixture
def url(db):
    return db._engine.url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def empty_url(request, tmp_path):
    """The address of a database in which nothing is, not even tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return new_database(request.getfixturevalue("postgres_address"))


def everything(url):
    """Every value of every table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{name}"')):
                yield from map(str, row)
    engine.dispose()
