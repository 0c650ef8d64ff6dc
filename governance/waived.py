"""A rule that a waiver covers, as an audit and a decision name it; what a waiver is says :mod:`governance.waiver`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.digest import is_digest
from governance.instants import parse_instant, stamp
from governance.provenance import EnvelopeError
from governance.tiers import Tier

__all__ = ["Waived", "covering", "read_waived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """One rule, the digest of the signed waiver that covers it, and until when."""

    rule: str
    waiver: str
    until: datetime

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"rule": self.rule, "waiver": self.waiver, "until": stamp(self.until)}


def covering(waived: Iterable[Waived], *, rule: str, tier: int) -> Waived | None:
    """What covers a rule; the one that lasts longest.

    INVARIANT: nothing covers a rule of another tier than Tier Two, whatever is signed.
    """
    found = [each for each in waived if each.rule == rule and tier == Tier.TWO]
    return max(found, key=lambda each: (each.until, each.waiver), default=None)


def read_waived(value: Any) -> tuple[Waived, ...]:
    """The rows that ``as_json`` wrote, at least one, each rule once.

    Raises:
        EnvelopeError: Anything is missing, unknown or in another form.
    """
    if not isinstance(value, list) or not value:
        raise EnvelopeError("decision: waivers are a list, at least one")
    found = []
    for row in value:
        if not isinstance(row, dict) or set(row) != {"rule", "waiver", "until"}:
            raise EnvelopeError("decision: a row of waivers has rule, until, waiver")
        if not isinstance(row["rule"], str) or not row["rule"] or not is_digest(row["waiver"]):
            raise EnvelopeError("decision: a waiver names a rule and a digest")
        until = parse_instant(row["until"], "decision: a waiver's end")
        found.append(Waived(rule=row["rule"], waiver=row["waiver"], until=until))
    if len({each.rule for each in found}) != len(found):
        raise EnvelopeError("decision: a rule is waived once")
    return tuple(found)
