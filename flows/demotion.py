"""What the sweep does with one alias: leave it, judge its holder again, or take it away.

INVARIANT: a move is recorded before it is made, under a time of its own that is found again: killed at any point and
run again, the same rows come out and the alias ends where it would have. A version that passes its new audit
and only waits for approvals keeps the alias; it is said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from flows.wiring import Platform, approvals, clock, newest_decision
from governance.decision import stamp
from governance.errors import InputError, RefusedError
from governance.promotion import Decision, verify_decision
from infra import ledger
from infra.registry import Registry, VersionInfo
from infra.tables.withdrawals import FLAGGED_RELEASES

__all__ = ["WAITING", "Swept", "standing", "sweep_alias", "unaudited"]

Audit = Callable[[Platform, str, str], Mapping[str, Any]]
# How promotion words that nothing but signatures is missing.
WAITING = "approvals by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What became of an alias.

    Attributes:
        version: Who held it when the sweep came.
        due: Why it had to be judged again; empty where its decision stood.
        verdict: Of the new audit, None where there was none.
        reasons: Why it may not carry the alias now.
        demoted: Whether the alias was taken from it.
        successor: Who carries the alias after a demotion; None where nobody does.
    """

    model: str
    alias: str
    version: str
    due: tuple[str, ...] = ()
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    demoted: bool = False
    successor: str | None = None


def standing(platform: Platform, info: VersionInfo, alias: str) -> tuple[str, ...]:
    """Why the version may not carry the alias now; empty where its decision still stands."""
    from infra.artifacts import artifact_digest

    now = clock()
    policy = platform.policy(now)
    row = newest_decision(platform, info.model, info.version)
    if row is None:
        return ("there is no signed decision about this version",)
    found = verify_decision(
        platform.joined(row, now),
        trust=platform.trust(now),
        model=info.model,
        version=info.version,
        alias=alias,
        artifact=artifact_digest(info.uri),
        policies={document.digest for document in policy.documents},
        approvals=approvals(policy),
        accept_demonstration=policy.promotion.is_demonstration,
        now=now,
    )
    return (*found.reasons, *_withdrawn(platform, row), *_waivers_gone(platform, row))


def _withdrawn(platform: Platform, row: ledger.Decision) -> tuple[str, ...]:
    """Whether somebody whose data is in the release behind the decision withdrew after it was issued."""
    decision = Decision.from_envelope(row.envelope.encode())
    if decision.release is None:
        return ()
    table = FLAGGED_RELEASES.c
    with platform.db.read() as connection:
        when = connection.execute(
            select(func.max(table.flagged_at)).where(table.release == decision.release)
        ).scalar()
    if when is None or when < decision.issued:
        return ()
    return (f"data of the release behind it was withdrawn since, last {stamp(when)}",)


def _waivers_gone(platform: Platform, row: ledger.Decision) -> tuple[str, ...]:
    """Whether a waiver that the decision rests on covers its rule no longer, such as by a key taken back."""
    from infra.waivers import given

    decision = Decision.from_envelope(row.envelope.encode())
    if not decision.waivers:
        return ()
    now = clock()
    known = given(
        platform.db, policy=platform.policy(now), trust=platform.trust(now), now=now, model=row.model
    )
    found = {each.digest: each.reasons for each in known}
    return tuple(
        f"the waiver of {each.rule}: {reason}"
        for each in decision.waivers
        for reason in found.get(each.waiver, ("it is not in the record",))
    )


def unaudited(platform: Platform, registry: Registry) -> list[VersionInfo]:
    """Versions about which nothing was ever decided: what a lost webhook leaves behind."""
    decided = {(row.model, row.version) for row in ledger.decisions(platform.db)}
    return [
        info
        for model in registry.models()
        for info in registry.versions(model)
        if (info.model, info.version) not in decided
    ]


def sweep_alias(
    platform: Platform, registry: Registry, model: str, alias: str, *, audit: Audit
) -> Swept | None:
    """Judge whoever holds an alias, and demote where it no longer passes; None where nobody holds it."""
    info = registry.holder(model, alias)
    if info is None:
        return None
    due = standing(platform, info, alias)
    if not due:
        _note_holder(platform, info, alias)
        return Swept(model=model, alias=alias, version=info.version)
    verdict, refused = _audited(platform, info, audit)
    left = standing(platform, info, alias)
    left = (*left, *refused) if left else ()
    swept = Swept(model=model, alias=alias, version=info.version, due=due, verdict=verdict, reasons=left)
    if not left:
        _note_holder(platform, info, alias)
        return swept
    if verdict == "PASS" and all(WAITING in reason for reason in left):
        return swept
    return _demote(platform, registry, swept, audit)


def _audited(platform: Platform, info: VersionInfo, audit: Audit) -> tuple[str | None, tuple[str, ...]]:
    """The verdict of a new audit; None with the reasons where the policy allows none: nothing new is shown then."""
    try:
        return str(audit(platform, info.model, info.version)["verdict"]), ()
    except RefusedError as error:
        return None, tuple(f"it may not be audited again: {reason}" for reason in error.reasons)


def _demote(platform: Platform, registry: Registry, swept: Swept, audit: Audit) -> Swept:
    model, alias = swept.model, swept.alias
    successor = _last_passing(platform, registry, swept, audit)
    row = newest_decision(platform, model, swept.version)
    demotion = _begun(platform, swept) or ledger.Promotion(
        model=model,
        alias=alias,
        version=swept.version,
        outcome="demoted",
        at=clock(),
        decision=row.digest if row else None,
        reasons=swept.reasons,
    )
    ledger.record_promotion(platform.db, demotion)
    # The gate lets go of a holder only when the terms it reads would refuse it.
    platform.publish(clock())
    if successor is None:
        registry.delete_alias(model, alias)
    else:
        registry.set_alias(model, alias, successor)
        _note(platform, model, alias, successor, at=clock())
    return Swept(
        model=model,
        alias=alias,
        version=swept.version,
        due=swept.due,
        verdict=swept.verdict,
        reasons=swept.reasons,
        demoted=True,
        successor=successor,
    )


def _moves(platform: Platform, model: str, alias: str) -> list[ledger.Promotion]:
    """Moves of an alias that happened, oldest first."""
    return [
        row
        for row in ledger.promotions(platform.db)
        if (row.model, row.alias) == (model, alias) and row.outcome in {"promoted", "demoted"}
    ]


def _begun(platform: Platform, swept: Swept) -> ledger.Promotion | None:
    """The demotion of this version that was recorded and perhaps not yet made."""
    moves = _moves(platform, swept.model, swept.alias)
    last = moves[-1] if moves else None
    return last if last and (last.outcome, last.version) == ("demoted", swept.version) else None


def _last_passing(platform: Platform, registry: Registry, swept: Swept, audit: Audit) -> str | None:
    """The version that carried the alias last before and passes now, judged again where its decision is old."""
    tried = {swept.version}
    for row in reversed(_moves(platform, swept.model, swept.alias)):
        if row.version in tried or row.outcome != "promoted":
            continue
        tried.add(row.version)
        try:
            info = registry.version(swept.model, row.version)
        except InputError:
            continue  # it was deleted
        if not standing(platform, info, swept.alias):
            return row.version
        _audited(platform, info, audit)
        if not standing(platform, info, swept.alias):
            return row.version
    return None


def _note_holder(platform: Platform, info: VersionInfo, alias: str) -> None:
    """Record a rightful holder that the record does not know yet: an alias set in MLflow itself, or a killed sweep."""
    moves = _moves(platform, info.model, alias)
    if not moves or (moves[-1].version, moves[-1].outcome) != (info.version, "promoted"):
        _note(platform, info.model, alias, info.version, at=clock())


def _note(platform: Platform, model: str, alias: str, version: str, *, at: datetime) -> None:
    row = newest_decision(platform, model, version)
    ledger.record_promotion(
        platform.db,
        ledger.Promotion(
            model=model,
            alias=alias,
            version=version,
            outcome="promoted",
            at=at,
            decision=row.digest if row else None,
        ),
    )
