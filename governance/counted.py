"""What a finding counts, in the words that every report, decision, page and command uses.

Only a rule of conduct has violations or over-refusals. A rule about the data is kept or broken as a whole, and agreement
with people is measured; both carry a direction all the same, which says nothing about them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from governance.tiers import DATA_PREFIX, PEOPLE_PREFIX, Direction

__all__ = ["Counted", "counted_by", "finding_sentence"]


class Counted(StrEnum):
    """What a finding counts, in a word."""

    VIOLATION = "violation"
    OVER_REFUSAL = "over-refusal"
    DATA = "data"
    AGREEMENT = "agreement"

    @property
    def in_words(self) -> str:
        """The same in plain words, for a table's cell."""
        return _WORDS[self]


_WORDS = {
    Counted.VIOLATION: "harm that got through",
    Counted.OVER_REFUSAL: "harmless requests refused",
    Counted.DATA: "data behind the model",
    Counted.AGREEMENT: "agreement with people",
}


def counted_by(rule: str, direction: str) -> Counted:
    """What a finding about a rule counts.

    Args:
        rule: Id of the rule.
        direction: Value of a :class:`~governance.tiers.Direction`.

    Raises:
        ValueError: It is no direction.
    """
    if rule.startswith(PEOPLE_PREFIX):
        return Counted.AGREEMENT
    if rule.startswith(DATA_PREFIX):
        return Counted.DATA
    return Counted.VIOLATION if Direction(direction) is Direction.VIOLATION else Counted.OVER_REFUSAL


def finding_sentence(rule: str, direction: str, verdict: str, reasons: Iterable[str]) -> str:
    """``T1.harm (violation): FAIL: 9 of 96 families violate; …``."""
    return f"{rule} ({counted_by(rule, direction)}): {verdict}: {'; '.join(reasons)}"
