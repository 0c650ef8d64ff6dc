"""Makes what shows to a host without the platform's database that decisions and their approvals stand in its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from governance.log.entry import Kind
from governance.log.inclusion import Included, inclusions_bytes
from governance.log.note import Checkpoint, Note
from governance.provenance import Envelope
from infra.approvals import approval_body
from infra.database import Database
from infra.ledger import Decision, decision_body
from infra.log import Tree, find_all, raw_entries
from infra.log_checkpoint import sign_checkpoint
from infra.settings import Settings

__all__ = ["inclusions_of"]


def inclusions_of(
    settings: Settings,
    db: Database,
    envelopes: Mapping[str, bytes],
    *,
    decided: Mapping[str, Decision],
    now: datetime,
) -> bytes:
    """The file of :mod:`governance.log.inclusion` about these decisions, under a checkpoint of the log as it is.

    Args:
        settings: Of the data folder.
        db: The platform's database.
        envelopes: Decisions with the approvals on them, by digest; what is not in the log gets no proof.
        decided: By the same digests, the decisions as they were recorded.
        now: When.

    Raises:
        RefusedError: The log does not begin with what was signed of it before.
    """
    checkpoint = sign_checkpoint(settings, db, now)
    point = Checkpoint.parse(Note.parse(checkpoint).text)
    proofs: dict[str, list[Included]] = {}
    with db.read() as connection:
        tree = Tree.at(connection)
        for name, envelope in envelopes.items():
            proofs[name] = [
                Included(
                    position=at,
                    entry=next(data for _, data in raw_entries(connection, at, at + 1)),
                    path=tuple(tree.inclusion(at, point.size)),
                )
                for at in find_all(connection, _acts(envelope, decided[name]))
                if at is not None and at < point.size
            ]
    return inclusions_bytes(checkpoint, proofs)


def _acts(envelope: bytes, row: Decision) -> list[tuple[Kind, Mapping[str, str]]]:
    """What the log ought to hold: the decision, and an approval for each signature that came after it."""
    whole = Envelope.parse(envelope)
    before = set(Envelope.parse(row.envelope.encode()).signatures)
    approvals = (
        approval_body(replace(whole, signatures=(each,)).to_bytes(), each[0])
        for each in whole.signatures
        if each not in before
    )
    return [(Kind.DECISION, decision_body(row)), *((Kind.APPROVAL, body) for body in approvals)]
