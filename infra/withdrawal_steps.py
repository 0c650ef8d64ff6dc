"""The steps of a withdrawal as they are kept, so that a run that was killed leaves nothing out of the receipt.

What lies in this database is counted in the transaction that deletes it. What lies elsewhere is named before it is
erased: the next run no longer finds it, and the receipt counts the names, not what one run happened to see. The names
(ids of annotations, digests, file names) are dropped when the receipt is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select, update

from annotation.receipt import Done
from infra.database import Database
from infra.tables.withdrawals import WITHDRAWALS

__all__ = ["add_within", "as_done", "plan"]


def add_within(connection: Connection, request: str, where: str, counts: Mapping[str, int]) -> None:
    """Write down what the transaction of this connection erases; it adds to what was erased before."""
    steps = _steps(connection, request)
    for what, count in counts.items():
        _step(steps, where, what)["count"] += count
    _keep(connection, request, steps)


def plan(db: Database, request: str, where: str, names: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Write down, before it is erased, what is to be erased outside this database; named again it counts once.

    Args:
        db: The platform's database.
        request: Id of the request.
        where: The store.
        names: What → a name for each thing of it, the same in every run and none of a person.

    Returns:
        What → every name that was ever written down, in the order in which that happened.
    """
    everything = {}
    with db.write() as connection:
        steps = _steps(connection, request)
        for what, found in names.items():
            step = _step(steps, where, what)
            known = set(step.get("names", ()))
            new = sorted(set(found) - known)
            step["names"] = [*step.get("names", ()), *new]
            step["count"] += len(new)
            everything[what] = list(step["names"])
        _keep(connection, request, steps)
    return everything


def as_done(steps: Iterable[Mapping[str, Any]]) -> tuple[Done, ...]:
    """The steps as the receipt states them: counts without names."""
    return tuple(Done(where=step["where"], what=step["what"], count=step["count"]) for step in steps)


def _steps(connection: Connection, request: str) -> list[dict[str, Any]]:
    query = select(WITHDRAWALS.c.steps).where(WITHDRAWALS.c.request == request).with_for_update()
    return list(connection.execute(query).scalar_one())


def _step(steps: list[dict[str, Any]], where: str, what: str) -> dict[str, Any]:
    for step in steps:
        if (step["where"], step["what"]) == (where, what):
            return step
    steps.append(asdict(Done(where=where, what=what, count=0)))
    return steps[-1]


def _keep(connection: Connection, request: str, steps: list[dict[str, Any]]) -> None:
    connection.execute(update(WITHDRAWALS).where(WITHDRAWALS.c.request == request).values(steps=steps))
