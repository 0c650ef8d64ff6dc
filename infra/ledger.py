"""What was built and decided: batches, releases, audits, decisions, promotions, policy versions.

Each row is named by the digest of what it speaks of, so recording twice is no error and changes nothing;
recording something else under the same name is refused. With each row stands, in the same transaction, an entry
in the tamper-evident log (:mod:`infra.log`): digests and names, nothing of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Table, select

from governance.digest import digest, digest_set
from governance.errors import InputError, RefusedError
from governance.log.entry import Kind
from governance.provenance import EnvelopeError, statement_digest
from infra.database import Database
from infra.log import append_within
from infra.tables.decisions import AUDITS, DECISIONS, POLICIES, PROMOTIONS
from infra.tables.releases import BATCHES, RELEASES
from infra.tables.withdrawals import ERASED_BATCHES

__all__ = [
    "Audit",
    "Batch",
    "Decision",
    "PolicyVersion",
    "Promotion",
    "Release",
    "audits",
    "batches",
    "decision_body",
    "decisions",
    "policies",
    "promotions",
    "record_audit",
    "record_batch",
    "record_decision",
    "record_policy",
    "record_promotion",
    "record_release",
    "releases",
]

_OUTCOMES: Final = {"promoted": Kind.PROMOTION, "refused": Kind.REFUSAL, "demoted": Kind.DEMOTION}
_Row = TypeVar("_Row", "Batch", "Release", "Audit", "Decision", "Promotion", "PolicyVersion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A validated batch: ``read = accepted + quarantined``; ``site`` None where it spans several."""

    digest: str
    inputs_digest: str
    read: int
    accepted: int
    quarantined: int
    verdict: str
    created_at: datetime
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release and the batches it was built from; ``run_id`` is its MLflow run, ``tree`` its place in the store."""

    digest: str
    inputs_digest: str
    batches: tuple[str, ...]
    created_at: datetime
    run_id: str | None = None
    tree: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """An audit of one model version under one effective policy."""

    digest: str
    model: str
    version: str
    verdict: str
    policy_digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A signed decision; ``envelope`` is the DSSE envelope as it was signed."""

    digest: str
    model: str
    version: str
    verdict: str
    envelope: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One attempt to move an alias, with its outcome and, if refused, the reasons."""

    model: str
    alias: str
    version: str
    outcome: str
    at: datetime
    decision: str | None = None
    reasons: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Identity of the attempt."""
        return digest(
            [self.model, self.alias, self.version, self.decision, self.outcome, self.at.isoformat()]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A version of a policy document, with the text it was first seen with."""

    id: str
    version: str
    digest: str
    tier: int
    text: str
    first_seen: datetime


def record_batch(db: Database, batch: Batch) -> None:
    """Record a batch."""
    body = {name: value for name, value in asdict(batch).items() if name != "created_at"}
    _record(db, BATCHES, asdict(batch), first={"created_at"}, act=(Kind.BATCH, body))


def record_release(db: Database, release: Release) -> None:
    """Record a release; the run of the first recording stays."""
    row = asdict(replace(release, batches=tuple(sorted(release.batches))))
    body = {
        "digest": release.digest,
        "inputs_digest": release.inputs_digest,
        "batches": len(release.batches),
        "batches_digest": digest_set(release.batches),
        "tree": release.tree,
    }
    _record(db, RELEASES, row, first={"created_at", "run_id"}, act=(Kind.RELEASE, body))


def record_audit(db: Database, audit: Audit) -> None:
    """Record an audit."""
    body = {name: value for name, value in asdict(audit).items() if name != "created_at"}
    _record(db, AUDITS, asdict(audit), first={"created_at"}, act=(Kind.AUDIT, body))


def record_decision(db: Database, decision: Decision) -> None:
    """Record a decision. Its log entry names the statement, which approvals do not change.

    Raises:
        InputError: What is to be recorded is no envelope.
    """
    try:
        body = decision_body(decision)
    except EnvelopeError as error:
        raise InputError(f"a decision is recorded as it was signed: {error}", field="envelope") from error
    _record(db, DECISIONS, asdict(decision), first={"created_at"}, act=(Kind.DECISION, body))


def decision_body(decision: Decision) -> dict[str, Any]:
    """What the log's entry about a decision says.

    Raises:
        EnvelopeError: There is no envelope in it.
    """
    return {
        "statement": statement_digest(decision.envelope.encode()),
        "digest": decision.digest,
        "model": decision.model,
        "version": decision.version,
        "verdict": decision.verdict,
    }


def record_promotion(db: Database, promotion: Promotion) -> None:
    """Record an attempt to move an alias. Its log entry holds a digest of the reasons: they may name people."""
    body = {
        "attempt": promotion.id,
        "model": promotion.model,
        "alias": promotion.alias,
        "version": promotion.version,
        "decision": promotion.decision,
        "outcome": promotion.outcome,
        "reasons": digest(list(promotion.reasons)),
    }
    row = {**asdict(promotion), "id": promotion.id}
    _record(db, PROMOTIONS, row, first=set(), act=(_OUTCOMES[promotion.outcome], body))


def record_policy(db: Database, policy: PolicyVersion) -> None:
    """Record a policy version.

    Raises:
        RefusedError: The same id and version is recorded with another digest: a changed policy needs a new
            version. (The text may differ in its formatting; the first one stays.)
    """
    body = {"id": policy.id, "version": policy.version, "digest": policy.digest, "tier": policy.tier}
    _record(db, POLICIES, asdict(policy), first={"first_seen", "text"}, act=(Kind.POLICY, body))


def batches(db: Database) -> list[Batch]:
    """Every batch whose bytes are still there, oldest first; what a withdrawal erased is left out."""
    with db.read() as connection:
        erased = set(connection.execute(select(ERASED_BATCHES.c.batch)).scalars())
    return [batch for batch in _listed(db, BATCHES, Batch, "created_at") if batch.digest not in erased]


def releases(db: Database) -> list[Release]:
    """Every release, oldest first."""
    return _listed(db, RELEASES, Release, "created_at")


def audits(db: Database) -> list[Audit]:
    """Every audit, oldest first."""
    return _listed(db, AUDITS, Audit, "created_at")


def decisions(db: Database) -> list[Decision]:
    """Every decision, oldest first."""
    return _listed(db, DECISIONS, Decision, "created_at")


def promotions(db: Database) -> list[Promotion]:
    """Every attempt to move an alias, oldest first."""
    return _listed(db, PROMOTIONS, Promotion, "at")


def policies(db: Database) -> list[PolicyVersion]:
    """Every policy version, in the order first seen."""
    return _listed(db, POLICIES, PolicyVersion, "first_seen")


def _record(
    db: Database,
    table: Table,
    row: Mapping[str, Any],
    *,
    first: set[str],
    act: tuple[Kind, Mapping[str, Any]],
) -> None:
    """Insert ``row`` and log ``act``; if its key exists, all but the columns ``first`` must be the same."""
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}
    keys = {column.name: row[column.name] for column in table.primary_key}
    with db.write() as connection:
        db.insert_new(connection, table, [row])
        stored = connection.execute(select(table).filter_by(**keys)).mappings().one()
        reasons = [
            f"{name} is recorded as {stored[name]!r}, not {row[name]!r}"
            for name in row
            if name not in first and stored[name] != row[name]
        ]
        if reasons:
            what = " ".join(str(value) for value in keys.values())
            raise RefusedError(f"record {what} in {table.name}", reasons)
        append_within(connection, [act], _when(row))


def _when(row: Mapping[str, Any]) -> datetime:
    at: datetime = row[next(name for name in ("created_at", "at", "first_seen") if name in row)]
    return at


def _listed(db: Database, table: Table, kind: type[_Row], order: str) -> list[_Row]:
    names = {field.name for field in fields(kind)}
    with db.read() as connection:
        rows = connection.execute(select(table).order_by(table.c[order], *table.primary_key)).mappings()
        return [kind(**{name: _frozen(row[name]) for name in row if name in names}) for row in rows]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
