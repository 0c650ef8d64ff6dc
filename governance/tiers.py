"""The three tiers, the actors behind them, and the grades of evidence: closed words used everywhere.

The tiers and actors follow Kirk, Vidgen, Röttger and Hale (2023, arXiv 2303.05453): restrictions set above
the organisations, restrictions and requirements set by model and application providers, and requirements
tailored by the person who uses the model.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

__all__ = [
    "BOUNDS_RULES",
    "DATA_PREFIX",
    "PEOPLE_PREFIX",
    "AuthorityKind",
    "Direction",
    "EvidenceGrade",
    "Level",
    "RuleKind",
    "Tier",
    "level_of",
]


# What an audit tries of personalisation itself; a promotion limit may name them like rules.
BOUNDS_RULES: Final = frozenset({"B.honoured", "B.kept"})
DATA_PREFIX: Final = "D."
"""How rules about the data behind a model begin; no probe asks for them."""
PEOPLE_PREFIX: Final = "A."
"""How findings about agreement with people begin."""


class Tier(IntEnum):
    """Who may say what. A smaller number is a higher tier and always wins."""

    ONE = 1
    TWO = 2
    THREE = 3

    @property
    def title(self) -> str:
        """The tier's name, for people."""
        return _TIER_TITLES[self]


_TIER_TITLES: Final = {
    Tier.ONE: "Tier One, immutable restrictions",
    Tier.TWO: "Tier Two, optional restrictions and requirements",
    Tier.THREE: "Tier Three, tailored requirements",
}


class AuthorityKind(StrEnum):
    """The actors that may own a policy document."""

    REGULATOR = "regulator"
    MODEL_PROVIDER = "model_provider"
    APPLICATION_PROVIDER = "application_provider"
    END_USER = "end_user"


class Level(IntEnum):
    """Order of authority. Tier Two has two levels: an application is built on a provider's model."""

    LAW = 10
    MODEL_PROVIDER = 21
    APPLICATION_PROVIDER = 22
    GROUP = 31
    PERSON = 32

    @property
    def source(self) -> str:
        """The word used where a setting names where it came from."""
        return _SOURCES[self]


_SOURCES: Final = {
    Level.LAW: "law",
    Level.MODEL_PROVIDER: "provider",
    Level.APPLICATION_PROVIDER: "application",
    Level.GROUP: "group",
    Level.PERSON: "person",
}


def level_of(tier: Tier, authority: AuthorityKind, *, subject: str = "person") -> Level:
    """The level at which a document speaks."""
    if tier is Tier.ONE:
        return Level.LAW
    if tier is Tier.THREE:
        return Level.GROUP if subject == "group" else Level.PERSON
    if authority is AuthorityKind.MODEL_PROVIDER:
        return Level.MODEL_PROVIDER
    return Level.APPLICATION_PROVIDER


class RuleKind(StrEnum):
    """A restriction is a property an output must not have; a requirement one it must have."""

    RESTRICTION = "restriction"
    REQUIREMENT = "requirement"


class Direction(StrEnum):
    """Which failure an audit counts: harm that got through, or a harmless request refused."""

    VIOLATION = "violation"
    OVER_REFUSAL = "over_refusal"


class EvidenceGrade(StrEnum):
    """How far the verdicts of an audit can be trusted.

    A: random human labels of this very candidate. B: every flag adjudicated by people and a random sample
    of the unflagged. C: an automatic judge only. S: simulated, for demonstrations.
    """

    A = "A"
    B = "B"
    C = "C"
    S = "S"
