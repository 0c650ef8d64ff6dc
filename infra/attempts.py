"""Attempts at audits in the platform's database: registered before the first question, finished once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from governance.audit.attempts import Attempt, Permission, permission
from governance.errors import RefusedError
from infra.database import Database
from infra.tables import AUDIT_ATTEMPTS

__all__ = ["answers_of", "attempts", "finish", "register"]


def register(db: Database, wanted: Attempt, *, budget: float | None) -> Permission:
    """Register an attempt if the policy allows it; the judgement and the row are one transaction.

    Raises:
        RefusedError: It is a second attempt, a retry, or spends more than the policy declares.
    """
    with db.write() as connection:
        db.lock(connection, "audit attempts")
        rows = connection.execute(select(AUDIT_ATTEMPTS)).mappings().all()
        allowed = permission(wanted, [_attempt(dict(row)) for row in rows], budget=budget)
        if not allowed:
            raise RefusedError(f"an audit of {wanted.model} version {wanted.version}", list(allowed.reasons))
        if allowed.again is None:
            db.insert_new(connection, AUDIT_ATTEMPTS, [_row(wanted)])
    return allowed


def finish(db: Database, attempt: Attempt, *, outcome: Mapping[str, Any], tree: str) -> None:
    """Note how an attempt ended and where its answers lie; the first ending stays."""
    key = {"artifact": attempt.artifact, "policy_digest": attempt.policy, "probe_set": attempt.probe_set}
    with db.write() as connection:
        connection.execute(
            update(AUDIT_ATTEMPTS)
            .filter_by(**key)
            .where(AUDIT_ATTEMPTS.c.tree.is_(None))
            .values(outcome=dict(outcome), tree=tree)
        )


def answers_of(db: Database, attempt: Attempt) -> str | None:
    """The tree in the object store that holds the attempt's answers; None while it is not finished."""
    key = {"artifact": attempt.artifact, "policy_digest": attempt.policy, "probe_set": attempt.probe_set}
    with db.read() as connection:
        found = connection.execute(select(AUDIT_ATTEMPTS.c.tree).filter_by(**key)).scalar_one_or_none()
        return None if found is None else str(found)


def attempts(db: Database) -> list[Attempt]:
    """Every attempt, oldest first."""
    with db.read() as connection:
        rows = connection.execute(select(AUDIT_ATTEMPTS).order_by(AUDIT_ATTEMPTS.c.at)).mappings().all()
        return [_attempt(dict(row)) for row in rows]


def _row(attempt: Attempt) -> dict[str, Any]:
    return {
        "artifact": attempt.artifact,
        "policy_digest": attempt.policy,
        "probe_set": attempt.probe_set,
        "plan": attempt.plan,
        "model": attempt.model,
        "version": attempt.version,
        "terms": {
            "alpha": attempt.alpha,
            "anytime": sorted(attempt.anytime),
            "probes": sorted(attempt.probes),
        },
        "at": attempt.at,
    }


def _attempt(row: Mapping[str, Any]) -> Attempt:
    outcome = row["outcome"] or {}
    return Attempt(
        model=row["model"],
        version=row["version"],
        artifact=row["artifact"],
        policy=row["policy_digest"],
        probe_set=row["probe_set"],
        plan=row["plan"],
        probes=frozenset(row["terms"]["probes"]),
        alpha=float(row["terms"]["alpha"]),
        anytime=frozenset(row["terms"]["anytime"]),
        at=row["at"],
        verdict=outcome.get("verdict"),
        undecided=frozenset(outcome.get("undecided", ())),
        broken=frozenset(outcome.get("broken", ())),
    )
