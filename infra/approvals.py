"""Approvals of decisions: each an envelope of its own, with one person's signature over the decision's statement.

They are kept apart from the auditor's envelope and joined when it is judged. An approval is taken only if its
signature counts now; one that stops counting later (expired, revoked) is left out of the joined envelope, so that
it is missing and not a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from governance.digest import digest_bytes
from governance.errors import RefusedError
from governance.log.entry import Kind
from governance.promotion import AUDITOR
from governance.provenance import Envelope, EnvelopeError, Trust, TrustedKey, statement_digest
from infra import log
from infra.database import Database
from infra.signing import SigningKey, add_signature
from infra.tables.decisions import APPROVALS

__all__ = ["GivenApproval", "approval_body", "approve", "given", "joined", "take"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenApproval:
    """An approval as it was taken."""

    statement: str
    keyid: str
    envelope: bytes
    at: datetime


def approve(envelope: bytes, key: SigningKey) -> bytes:
    """The approval of a decision: the same statement under this one signature. Made where the key is."""
    signed = Envelope.parse(add_signature(envelope, key))
    return replace(signed, signatures=tuple(row for row in signed.signatures if row[0] == key.id)).to_bytes()


def take(db: Database, envelope: bytes, approval: bytes, *, trust: Trust, now: datetime) -> TrustedKey:
    """Keep an approval of a decision; taken twice changes nothing. Whose it is.

    Args:
        db: The platform's database.
        envelope: The decision as the auditor signed it.
        approval: An envelope with one signature over the same statement.
        trust: Whose signatures count now.
        now: The reference time.

    Raises:
        RefusedError: It is of another statement, or its signature does not count, or it is the auditor's own.
    """
    what = "the approval"
    try:
        decided, given_ = Envelope.parse(envelope), Envelope.parse(approval)
        if (given_.payload_type, given_.payload) != (decided.payload_type, decided.payload):
            raise RefusedError(what, ["it is of another decision"])
        if len(given_.signatures) != 1:
            raise RefusedError(what, ["an approval holds exactly one signature"])
        [key] = given_.signers(trust, now=now)
        auditors = {each.person for each in decided.signers(trust, now=now) if AUDITOR in each.roles}
    except EnvelopeError as error:
        raise RefusedError(what, [str(error)]) from error
    if key.person in auditors:
        raise RefusedError(what, [f"{key.person} signed as the auditor and does not approve too"])
    statement = statement_digest(envelope)
    row = {"statement": statement, "keyid": key.id, "envelope": approval.decode(), "at": now}
    body = approval_body(approval, key.id)
    with db.write() as connection:
        db.insert_new(connection, APPROVALS, [row])
        log.append_within(connection, [(Kind.APPROVAL, body)], now)
    return key


def approval_body(approval: bytes, keyid: str) -> dict[str, str]:
    """What the log's entry about an approval says."""
    return {"statement": statement_digest(approval), "keyid": keyid, "approval": digest_bytes(approval)}


def given(db: Database, envelope: bytes) -> list[GivenApproval]:
    """The approvals of a decision, oldest first."""
    table = APPROVALS.c
    with db.read() as connection:
        rows = connection.execute(
            select(APPROVALS)
            .where(table.statement == statement_digest(envelope))
            .order_by(table.at, table.keyid)
        ).all()
    return [
        GivenApproval(statement=r.statement, keyid=r.keyid, envelope=r.envelope.encode(), at=r.at)
        for r in rows
    ]


def joined(db: Database, envelope: bytes, *, trust: Trust, now: datetime) -> bytes:
    """The decision with every approval on it that counts now."""
    whole = Envelope.parse(envelope)
    there = {keyid for keyid, _ in whole.signatures}
    signatures = list(whole.signatures)
    for each in given(db, envelope):
        try:
            approval = Envelope.parse(each.envelope)
            if approval.payload != whole.payload or approval.signatures[0][0] in there:
                continue
            approval.signers(trust, now=now)
        except EnvelopeError:
            continue
        signatures += approval.signatures
        there.add(approval.signatures[0][0])
    return replace(whole, signatures=tuple(signatures)).to_bytes()
