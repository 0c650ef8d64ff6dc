"""Attempts at audits in the platform's database: registered before the first question, finished once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from governance.audit.attempts import Attempt, JudgedBy, Permission, Standing, permission
from governance.digest import digest
from governance.errors import RefusedError
from governance.log.entry import Kind
from infra.database import Database
from infra.log import append_within
from infra.tables.decisions import AUDIT_ATTEMPTS

__all__ = ["answers_of", "attempts", "finish", "finished", "register"]


def register(db: Database, wanted: Attempt, *, budget: float | None, now: datetime) -> Standing:
    """Register an attempt if the policy allows it: the judgement, the row and the log's entry are one transaction.

    Raises:
        RefusedError: It is a second attempt, a retry, is judged by others, or spends more than the policy declares.
    """
    with db.write() as connection:
        db.lock(connection, "audit attempts")
        rows = {_key(row): row for row in map(dict, connection.execute(select(AUDIT_ATTEMPTS)).mappings())}
        allowed = permission(wanted, [_attempt(row) for row in rows.values()], budget=budget)
        if not allowed:
            raise RefusedError(f"an audit of {wanted.model} version {wanted.version}", list(allowed.reasons))
        if allowed.again is None:
            row = _row(wanted, allowed)
            db.insert_new(connection, AUDIT_ATTEMPTS, [row])
        else:
            row = rows[wanted.artifact, wanted.policy, wanted.probe_set]
            if allowed.judged_anew:
                anew = row["terms"].get("judged_anew", 0) + (allowed.again.verdict is not None)
                row["terms"] = row["terms"] | {"judges": _judges(wanted), "judged_anew": anew}
                change = update(AUDIT_ATTEMPTS).filter_by(**_named(wanted)).values(terms=row["terms"])
                connection.execute(change)
        [entry] = append_within(connection, [(Kind.ATTEMPT, _act(row))], now)
    terms = row["terms"]
    return Standing(
        entry=entry,
        at=row["at"],
        plan=row["plan"],
        judges=wanted.judges_digest,
        alpha=float(terms["alpha"]),
        uses=int(terms.get("uses", 0)),
        spent=float(terms.get("spent", 0)),
        budget=float(terms.get("budget", terms["alpha"])),
        judged_anew=int(terms.get("judged_anew", 0)),
    )


def finish(db: Database, attempt: Attempt, *, outcome: Mapping[str, Any], tree: str) -> None:
    """Note how an attempt ended and where its answers lie; the first ending stays until others judge."""
    with db.write() as connection:
        db.lock(connection, "audit attempts")
        there = connection.execute(select(AUDIT_ATTEMPTS).filter_by(**_named(attempt))).mappings().one()
        judges = attempt.judges_digest
        values: dict[str, Any] = {}
        if there["outcome"] is None or there["outcome"].get("judges") != judges:
            values["outcome"] = {**outcome, "judges": judges}
        if there["tree"] is None:
            values["tree"] = tree
        if values:
            connection.execute(update(AUDIT_ATTEMPTS).filter_by(**_named(attempt)).values(**values))


def answers_of(db: Database, attempt: Attempt) -> str | None:
    """The tree in the object store that holds the attempt's answers; None while it is not finished."""
    with db.read() as connection:
        found = connection.execute(
            select(AUDIT_ATTEMPTS.c.tree).filter_by(**_named(attempt))
        ).scalar_one_or_none()
        return None if found is None else str(found)


def finished(db: Database, model: str, version: str) -> list[tuple[Attempt, str]]:
    """The finished attempts at one version, oldest first, each with the tree that holds its answers."""
    wanted = select(AUDIT_ATTEMPTS).filter_by(model=model, version=version).order_by(AUDIT_ATTEMPTS.c.at)
    with db.read() as connection:
        rows = connection.execute(wanted.where(AUDIT_ATTEMPTS.c.tree.is_not(None))).mappings().all()
        return [(_attempt(dict(row)), str(row["tree"])) for row in rows]


def attempts(db: Database) -> list[Attempt]:
    """Every attempt, oldest first."""
    with db.read() as connection:
        rows = connection.execute(select(AUDIT_ATTEMPTS).order_by(AUDIT_ATTEMPTS.c.at)).mappings().all()
        return [_attempt(dict(row)) for row in rows]


def _named(attempt: Attempt) -> dict[str, str]:
    return {"artifact": attempt.artifact, "policy_digest": attempt.policy, "probe_set": attempt.probe_set}


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["artifact"], row["policy_digest"], row["probe_set"]


def _judges(attempt: Attempt) -> list[list[str]]:
    return [each.as_json() for each in sorted(attempt.judges)]


def _act(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the log says of an attempt: names, digests and counts, never a prompt."""
    terms = row["terms"]
    return {
        "model": row["model"],
        "version": row["version"],
        "artifact": row["artifact"],
        "policy_digest": row["policy_digest"],
        "probe_set": row["probe_set"],
        "plan": row["plan"],
        "judges": digest(terms.get("judges", [])),
        "probes": len(terms["probes"]),
        "alpha": f"{float(terms['alpha']):g}",
        "judged_anew": int(terms.get("judged_anew", 0)),
    }


def _row(attempt: Attempt, allowed: Permission) -> dict[str, Any]:
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
            "judges": _judges(attempt),
            "uses": allowed.uses,
            "spent": allowed.spent,
            "budget": allowed.budget,
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
        judges=frozenset(
            JudgedBy(**dict(zip(JudgedBy.__dataclass_fields__, each, strict=True)))
            for each in row["terms"].get("judges", ())
        ),
        verdict=outcome.get("verdict"),
        undecided=frozenset(outcome.get("undecided", ())),
        broken=frozenset(outcome.get("broken", ())),
    )
