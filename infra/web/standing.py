"""Which version of each model carries which alias now, and what its newest decision says: from the record alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from governance.decision import Decision
from governance.provenance import EnvelopeError
from infra import ledger
from infra.database import Database

__all__ = ["DAMAGED", "Judged", "Standing", "standings"]

DAMAGED = "the decision is damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The newest decision about a version, as the version's own page says it.

    Attributes:
        verdict: The decision's verdict, or :data:`DAMAGED`.
        at: When it was signed; ``is_expired`` where it is good for nothing any more.
    """

    version: str
    verdict: str
    at: datetime
    is_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A model and one alias of it that a version carries now.

    Attributes:
        alias: None, as ``version`` and ``since``, where no version of the model carries any.
        judged: None where the version carries the alias without a decision that the record knows.
        newest: What was decided last about another version of the model; None where that is this one.
    """

    model: str
    alias: str | None
    version: str | None
    since: datetime | None
    judged: Judged | None
    newest: Judged | None


def standings(db: Database, now: datetime) -> list[Standing]:
    """A row for each model and alias carried now, and one for each model that carries none; by name."""
    decisions = ledger.decisions(db)  # oldest first: what stands last under a name is the newest
    decided = {(row.model, row.version): row for row in decisions}
    newest = {row.model: row for row in decisions}
    moves = ledger.promotions(db)
    last = {(row.model, row.alias): row for row in moves if row.outcome != "refused"}
    carried = sorted(key for key, row in last.items() if row.outcome == "promoted")
    without = {*newest, *(row.model for row in moves)} - {model for model, _ in carried}

    def rows() -> Iterator[Standing]:
        for model, alias in carried:
            move = last[model, alias]
            of_it = _judged(decided.get((model, move.version)), now)
            other = _judged(newest.get(model), now)
            yield Standing(
                model=model,
                alias=alias,
                version=move.version,
                since=move.at,
                judged=of_it,
                newest=None if other is None or other.version == move.version else other,
            )
        for model in without:
            yield Standing(
                model=model,
                alias=None,
                version=None,
                since=None,
                judged=None,
                newest=_judged(newest.get(model), now),
            )

    return sorted(rows(), key=lambda row: (row.model, row.alias or ""))


def _judged(row: ledger.Decision | None, now: datetime) -> Judged | None:
    if row is None:
        return None
    try:
        decision = Decision.from_envelope(row.envelope.encode())
    except EnvelopeError:
        return Judged(version=row.version, verdict=DAMAGED, at=row.created_at, is_expired=True)
    return Judged(
        version=row.version,
        verdict=decision.verdict.value,
        at=decision.issued,
        is_expired=now >= decision.expires,
    )
