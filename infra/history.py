"""Which version carried which alias from when to when, by whose signatures, on what evidence: from the record alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.decision import Decision, stamp
from governance.provenance import Envelope, EnvelopeError, Statement, Trust
from infra import ledger
from infra.approvals import given
from infra.database import Database

__all__ = ["Stay", "history"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay of a version under an alias.

    Attributes:
        until: When it ended; None while it lasts.
        ended_by: ``demoted``, ``replaced`` or None.
        reasons: Why it was demoted.
        signed_by: Persons whose signatures are on the decision, as their roles say (``ann (model-reviewer)``).
        decision: Digest of the decision it rests on; ``audit``, ``release`` and ``verdict`` as that says.
        policies: ``id version`` of every document it was judged under.
    """

    model: str
    alias: str
    version: str
    since: datetime
    until: datetime | None
    ended_by: str | None
    reasons: tuple[str, ...]
    signed_by: tuple[str, ...]
    decision: str | None
    verdict: str | None
    audit: str | None
    release: str | None
    policies: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **{
                name: getattr(self, name)
                for name in (
                    "model",
                    "alias",
                    "version",
                    "ended_by",
                    "decision",
                    "verdict",
                    "audit",
                    "release",
                )
            },
            "since": stamp(self.since),
            "until": stamp(self.until) if self.until else None,
            "reasons": list(self.reasons),
            "signed_by": list(self.signed_by),
            "policies": list(self.policies),
        }


def history(db: Database, model: str, *, trust: Trust) -> list[Stay]:
    """Every stay under every alias of a model, newest first. Refused attempts are no stays.

    Args:
        db: The platform's database.
        model: Registered model.
        trust: Says whose key is whose; a key it does not know is shown by its id.
    """
    rows = [row for row in ledger.promotions(db) if row.model == model and row.outcome != "refused"]
    decisions = {row.digest: row for row in ledger.decisions(db)}
    stays: list[Stay] = []
    for alias in sorted({row.alias for row in rows}):
        moves = [row for row in rows if row.alias == alias]
        for row, after in zip(moves, [*moves[1:], None], strict=True):
            if row.outcome != "promoted":
                continue
            demoted = after is not None and after.outcome == "demoted"
            stays.append(
                Stay(
                    model=model,
                    alias=alias,
                    version=row.version,
                    since=row.at,
                    until=after.at if after else None,
                    ended_by=None if after is None else "demoted" if demoted else "replaced",
                    reasons=after.reasons if after is not None and demoted else (),
                    **_evidence(db, decisions.get(row.decision or ""), row.decision, trust),
                )
            )
    return sorted(stays, key=lambda stay: stay.since, reverse=True)


def _evidence(db: Database, row: ledger.Decision | None, digest: str | None, trust: Trust) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "decision": digest, "verdict": None, "audit": None, "release": None, "policies": (), "signed_by": (),
    }  # fmt: skip
    if row is None:
        return nothing
    data = row.envelope.encode()
    try:
        envelope = Envelope.parse(data)
        decision = Decision.from_statement(Statement.parse(envelope.payload))
        keyids = [keyid for keyid, _ in envelope.signatures] + [each.keyid for each in given(db, data)]
    except EnvelopeError:
        return nothing | {"verdict": "the decision is damaged"}
    return nothing | {
        "verdict": decision.verdict.value,
        "audit": decision.audit,
        "release": decision.release,
        "policies": tuple(f"{policy['id']} {policy['version']}" for policy in decision.policies),
        "signed_by": tuple(_who(keyid, trust) for keyid in dict.fromkeys(keyids)),
    }


def _who(keyid: str, trust: Trust) -> str:
    key = trust.key(keyid)
    return keyid if key is None else f"{key.person} ({', '.join(sorted(key.roles))})"
