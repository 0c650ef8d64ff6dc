"""Deployments to attack, each started once, and the table that is printed at the end."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.attacks.deployment import Deployment, Shape

RESULTS: dict[str, dict[str, str]] = defaultdict(dict)


def shapes():
    """A covering choice of two; the other thirty, and the object store, only where everything is tried."""
    covering = [
        Shape(),
        Shape(server="gunicorn", database="postgresql", prefix=True, workspaces=True, auth=True),
    ]
    every = [
        Shape(server=server, database=database, prefix=prefix, workspaces=workspaces, auth=auth)
        for server in ("uvicorn", "gunicorn")
        for database in ("sqlite", "postgresql")
        for prefix in (False, True)
        for workspaces in (False, True)
        for auth in (False, True)
    ]
    rest = [shape for shape in every if shape not in covering]
    rest += [Shape(s3=True), Shape(server="gunicorn", s3=True, workspaces=True)]
    return [pytest.param(shape, id=shape.name) for shape in covering] + [
        pytest.param(shape, id=shape.name, marks=pytest.mark.slow) for shape in rest
    ]


@pytest.fixture(scope="session")
def postgres():
    from tests.support.postgres import is_installed, postgres_server

    if not is_installed():
        yield None
        return
    with postgres_server() as address:
        yield address


@pytest.fixture(scope="session")
def objects():
    """An S3 server that knows multipart uploads and presigned addresses (and believes every signature)."""
    from tests.attacks.deployment import BUCKET
    from tests.support.s3 import moto_server

    with moto_server() as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture(scope="session", params=shapes())
def deployment(request, tmp_path_factory):
    shape = request.param
    folder = tmp_path_factory.mktemp("attacked")
    if shape.database == "sqlite":
        deployment = Deployment(folder=folder, shape=shape, database=f"sqlite:///{folder / 'mlflow.db'}")
    else:
        address = request.getfixturevalue("postgres")
        if address is None:
            pytest.skip("PostgreSQL is not installed")
        from tests.attacks.floor import prepared

        deployment = prepared(folder, shape, address)
    if shape.s3:
        deployment.objects = request.getfixturevalue("objects")
    try:
        deployment.publish()
        deployment.start()
        deployment.people()
        yield deployment
    finally:
        deployment.stop()


@pytest.fixture
def held():
    """Write down how an attack on a deployment ended."""

    def write(attack: str, shape: Shape | str, outcome: str) -> None:
        RESULTS[attack][shape if isinstance(shape, str) else shape.name] = outcome

    return write


def pytest_terminal_summary(terminalreporter):
    if not RESULTS:
        return
    columns = sorted({name for row in RESULTS.values() for name in row})
    terminalreporter.section("attacks on the gate")
    for number, name in enumerate(columns, 1):
        terminalreporter.write_line(f"  [{number}] {name}")
    width = max(map(len, RESULTS))
    for attack, row in RESULTS.items():
        cells = "  ".join(f"{row.get(name, '-'):8}" for name in columns)
        terminalreporter.write_line(f"{attack:{width}}  {cells}")
