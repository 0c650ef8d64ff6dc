"""Waivers that were taken: each row with its entry in the log, there together or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from governance.decision import Decision
from governance.digest import digest_bytes
from governance.errors import RefusedError
from governance.instants import stamp
from governance.log.entry import Kind
from governance.policy.model import EffectivePolicy
from governance.provenance import Envelope, EnvelopeError, Trust
from governance.waived import Waived
from governance.waiver import Waiver, open_waiver, why_not
from infra import log
from infra.database import Database
from infra.tables.decisions import WAIVERS

__all__ = ["GivenWaiver", "given", "live", "take", "waivers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenWaiver:
    """A waiver as it was taken; ``reasons`` say why it covers nothing now, empty where it does."""

    digest: str
    waiver: Waiver
    person: str | None
    reasons: tuple[str, ...]
    at: datetime


def take(
    db: Database, envelope: bytes, *, policy: EffectivePolicy, trust: Trust, now: datetime
) -> GivenWaiver:
    """Keep a waiver; taken twice changes nothing.

    Raises:
        RefusedError: It would cover nothing now, or its signature does not count.
    """
    try:
        found, key = open_waiver(envelope, trust=trust, now=now)
    except EnvelopeError as error:
        raise RefusedError("the waiver", [str(error)]) from error
    if reasons := why_not(found, policy=policy, model=found.model, version=found.version, now=now):
        raise RefusedError("the waiver", reasons)
    digest = digest_bytes(envelope)
    row = {"digest": digest, "model": found.model, "version": found.version, "envelope": envelope.decode()}
    body = {
        "waiver": digest,
        "rule": found.rule,
        "document": found.document,
        "model": found.model,
        "version": found.version,
        "keyid": key.id,
        "until": stamp(found.until),
    }
    with db.write() as connection:
        db.insert_new(connection, WAIVERS, [{**row, "at": now}])
        log.append_within(connection, [(Kind.WAIVER, body)], now)
    return GivenWaiver(digest=digest, waiver=found, person=key.person, reasons=(), at=now)


def given(
    db: Database, *, policy: EffectivePolicy, trust: Trust, now: datetime, model: str | None = None
) -> list[GivenWaiver]:
    """Every waiver that was taken, oldest first, and whether it covers anything now."""
    query = select(WAIVERS).order_by(WAIVERS.c.at, WAIVERS.c.digest)
    if model is not None:
        query = query.where(WAIVERS.c.model == model)
    with db.read() as connection:
        rows = connection.execute(query).all()
    return [_judged(row, policy, trust, now) for row in rows]


def waivers_of(db: Database, trust: Trust, now: datetime, decision: Decision) -> list[GivenWaiver]:
    """The waivers that a decision names, with whose they are; whether a policy still lets them be is not asked."""
    wanted = [each.waiver for each in decision.waivers]
    with db.read() as connection:
        rows = connection.execute(select(WAIVERS).where(WAIVERS.c.digest.in_(wanted))).all() if wanted else []
    return [_judged(row, None, trust, now) for row in rows]


def _judged(row: Any, policy: EffectivePolicy | None, trust: Trust, now: datetime) -> GivenWaiver:
    envelope, digest, at = row.envelope.encode(), row.digest, row.at
    waiver = Waiver.parse(Envelope.parse(envelope).payload)
    person, reasons = None, list[str]()
    try:
        person = open_waiver(envelope, trust=trust, now=now)[1].person
    except EnvelopeError as error:
        reasons.append(str(error))
    if digest_bytes(envelope) != digest:
        reasons.append("its row was changed")
    if policy is not None:
        reasons += why_not(waiver, policy=policy, model=waiver.model, version=waiver.version, now=now)
    return GivenWaiver(digest=digest, waiver=waiver, person=person, reasons=tuple(reasons), at=at)


def live(
    db: Database, model: str, version: str, *, policy: EffectivePolicy, trust: Trust, now: datetime
) -> tuple[Waived, ...]:
    """The rules that are waived for a version now, each by the waiver that lasts longest."""
    found: dict[str, Waived] = {}
    for each in given(db, policy=policy, trust=trust, now=now, model=model):
        waived = Waived(rule=each.waiver.rule, waiver=each.digest, until=each.waiver.until)
        before = found.get(waived.rule)
        if each.waiver.version == version and not each.reasons:
            found[waived.rule] = max(before or waived, waived, key=lambda one: (one.until, one.waiver))
    return tuple(found[rule] for rule in sorted(found))
