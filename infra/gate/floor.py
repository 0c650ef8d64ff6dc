"""The floor under the gate on PostgreSQL: roles, triggers and grants that hold whoever reaches the database.

Three roles: the owner of MLflow's tables installs (:func:`install_floor`), MLflow's server connects as a role that
may read and write rows, and the platform writes grants (:func:`write_grants`) as a third, so that a second server or
raw SQL under the server's own role moves no protected alias.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from governance.errors import InputError, OutsideError

__all__ = ["Grant", "install_floor", "write_grants"]

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """That a version may carry an alias, by which decision, until when; in each workspace that has it."""

    model: str
    alias: str
    version: int
    decision: str
    expires: datetime


def install_floor(owner_url: str, *, app: str, writer: str, schema: str = "public") -> None:
    """Install or renew triggers and privileges; the roles exist already.

    Args:
        owner_url: MLflow's database, as the owner of its tables.
        app: The role as which MLflow's server connects.
        writer: The role as which the platform writes grants.
        schema: Where MLflow's tables are.

    Raises:
        InputError: A name is no plain name, or the roles are one.
        OutsideError: The database refuses.
    """
    names = {"app": app, "writer": writer, "schema": schema}
    for field, name in names.items():
        if not _NAME.fullmatch(name):
            raise InputError("not a plain name", field=field, value=name, expected="letters, digits, _")
    if app == writer:
        raise InputError("the server's role must not write grants", field="writer", value=writer)
    sql = resources.files("infra.gate").joinpath("floor.sql").read_text(encoding="utf-8")
    for field, name in names.items():
        sql = sql.replace("{" + field + "}", name)

    def install(connection: sa.Connection) -> None:
        # Straight to the driver: the percent signs in the messages are not parameters.
        connection.connection.cursor().execute(sql)

    _run(owner_url, install, field="OWNER_URL")


def write_grants(writer_url: str, *, aliases: Collection[str], grants: Iterable[Grant]) -> None:
    """Make these the protected aliases and the grants, in one transaction.

    A grant is written for ``default`` and for every other workspace that has the version by then.

    Raises:
        OutsideError: The database refuses, or its floor was installed by an earlier release.
    """
    rows = [
        {
            "model": grant.model,
            "alias": grant.alias.lower(),
            "version": grant.version,
            "decision": grant.decision,
            "expires": grant.expires,
        }
        for grant in grants
    ]

    def write(connection: sa.Connection) -> None:
        connection.execute(
            sa.text("LOCK TABLE bounds_gate.grants, bounds_gate.protected IN SHARE ROW EXCLUSIVE MODE")
        )
        connection.execute(sa.text("DELETE FROM bounds_gate.grants"))
        connection.execute(sa.text("DELETE FROM bounds_gate.protected"))
        for alias in sorted({alias.lower() for alias in aliases}):
            connection.execute(sa.text("INSERT INTO bounds_gate.protected VALUES (:alias)"), {"alias": alias})
        if rows:
            connection.execute(
                sa.text(
                    "INSERT INTO bounds_gate.grants (workspace, model, alias, version, decision, expires) "
                    "SELECT each, :model, :alias, :version, :decision, :expires "
                    "FROM bounds_gate.workspaces(:model, :version) AS each"
                ),
                rows,
            )

    _run(writer_url, write, field="gate.grants")


def _run(url: str, act: Callable[[sa.Connection], object], *, field: str) -> None:
    try:
        engine = sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        # Without the address: it holds a password.
        raise InputError(
            "not a database address", field=field, expected="postgresql+psycopg://USER@HOST/DATABASE"
        ) from error
    if engine.dialect.name != "postgresql":
        raise InputError(
            "not a PostgreSQL database", field=field, value=engine.dialect.name, expected="postgresql"
        )
    try:
        with engine.begin() as connection:
            act(connection)
    except DBAPIError as error:
        first = next(iter(str(error.orig).strip().splitlines()), type(error).__name__)
        raise OutsideError(f"{engine.url.render_as_string(hide_password=True)}: {first}") from error
    finally:
        engine.dispose()
