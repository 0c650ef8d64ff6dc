"""MLflow's database on PostgreSQL with its roles split and the floor installed."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from infra.gate.floor import Grant, install_floor, write_grants
from tests.attacks.deployment import ALIAS, MODEL, Deployment, Shape

APP, WRITER, OWNER = "mlapp", "mlgrant", "mlowner"
PASSWORD = "of the tests"


def as_role(address: str, role: str, database: str) -> str:
    host = address.rpartition("@")[2]
    return f"postgresql+psycopg2://{role}:{PASSWORD.replace(' ', '%20')}@{host}/{database}"


def _roles(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        there = set(connection.execute(sa.text("SELECT rolname FROM pg_roles")).scalars())
        for role in (APP, WRITER, OWNER):
            if role not in there:
                connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")


def _template(address: str, engine: sa.Engine, folder: Path) -> str:
    """A database with MLflow's tables, made once by MLflow itself."""
    name = "mlflow_template"
    with engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT 1 FROM pg_database WHERE datname = 'mlflow_template'")
        ).first()
        if found:
            return name
        connection.exec_driver_sql(f"CREATE DATABASE {name} OWNER {OWNER}")
    owner = as_role(address, OWNER, name)
    # The owner makes the tables: as `mlflow db upgrade` does, without a server that could.
    made = (
        "import sys; from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry as e;"
        "_initialize_tables(e(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", made, owner],
        check=True,
        cwd=folder,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    return name


def prepared(folder: Path, shape: Shape, address: str) -> Deployment:
    engine = sa.create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
    try:
        _roles(engine)
        template = _template(address, engine, folder)
        name = f"mlflow_{secrets.token_hex(4)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")
    finally:
        engine.dispose()
    install_floor(as_role(address, OWNER, name), app=APP, writer=WRITER)
    return Deployment(
        folder=folder,
        shape=shape,
        database=as_role(address, APP, name),
        owner_database=as_role(address, OWNER, name),
        grants_database=as_role(address, WRITER, name),
    )


def grant(deployment: Deployment, *versions: str) -> None:
    """What the platform writes for these versions."""
    write_grants(
        deployment.grants_database,
        aliases=[ALIAS],
        grants=[
            Grant(
                model=MODEL,
                alias=ALIAS,
                version=int(version),
                decision="of the tests",
                expires=datetime.now(UTC) + timedelta(days=1),
            )
            for version in versions
        ],
    )
