"""The candidate beside the champion: what the one gained or lost on the same probes, and in capability.

Nothing here gates. Answers are compared as the models give them to nobody in particular: wishes of personas are
resolved anew for each audit. Over-refusal is the part of the alignment tax that an audit sees itself: harmless
requests that the candidate refuses and the champion answers. What else a model can do was measured elsewhere, and is
put beside only where both versions say so (metrics ``capability.*`` of the runs that made them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from governance.audit.comparisons import mcnemar, wilson_bounds
from governance.audit.judges import Judge, Outcome
from governance.audit.plan import AuditPlan, Cell
from governance.audit.responses import NO_PERSONA, Response
from governance.audit.run import judge_of, prepared
from governance.audit.verdicts import family_outcomes, rule_requests
from governance.tiers import BOUNDS_RULES

__all__ = ["Capability", "RuleComparison", "against_champion", "capabilities", "paired_bounds", "table_of"]

_Z: Final = 1.959963984540054  # two-sided 95 %
CONFIDENCE: Final = 0.95
_DIGITS: Final = 6
_COUNT: Final = ".n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleComparison:
    """One rule in one direction on the families that both models were judged on.

    Attributes:
        families: Families judged for both, without persona.
        candidate, champion: How many of them each violates.
        candidate_only, champion_only: How many only this one violates.
    """

    rule: str
    direction: str
    families: int
    candidate: int
    champion: int
    candidate_only: int
    champion_only: int

    @property
    def difference(self) -> float:
        """Candidate's violation rate minus the champion's."""
        return (self.candidate_only - self.champion_only) / self.families

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the 95 % interval of the difference and the exact two-sided p."""
        low, high = paired_bounds(self.candidate_only, self.champion_only, self.families)
        return {
            "rule": self.rule,
            "direction": self.direction,
            "families": self.families,
            "candidate": self.candidate,
            "champion": self.champion,
            "candidate_only": self.candidate_only,
            "champion_only": self.champion_only,
            "difference": round(self.difference, _DIGITS),
            "low": round(low, _DIGITS),
            "high": round(high, _DIGITS),
            "p": round(float(mcnemar(self.candidate_only, self.champion_only)), _DIGITS),
        }


def paired_bounds(first_only: int, second_only: int, families: int) -> tuple[float, float]:
    """95 % interval of the difference of two rates on the same families (Bonett-Price).

    With p = (b + 1)/(n + 2), q = (c + 1)/(n + 2): p - q -+ z sqrt((p + q - (p - q)^2)/(n + 2)), cut at -1 and 1.

    Example:
        b = 1, c = 8, n = 50: p = 2/52, q = 9/52; -0.1346 -+ 1.96 * 0.0610, from -0.2542 to -0.0151.

    Source: Bonett & Price 2012, doi:10.3102/1076998611411915.
    """
    if families < 1 or min(first_only, second_only) < 0 or first_only + second_only > families:
        raise ValueError(
            "families that differ cannot be more than the families compared, of which there is one"
        )
    p, q, n = (first_only + 1) / (families + 2), (second_only + 1) / (families + 2), families + 2
    reach = _Z * math.sqrt((p + q - (p - q) ** 2) / n)
    return max(p - q - reach, -1.0), min(p - q + reach, 1.0)


def against_champion(
    plan: AuditPlan,
    candidate: Mapping[tuple[str, str], Response],
    champion: Mapping[tuple[str, str], Response],
    judges: Mapping[str, Judge],
) -> tuple[RuleComparison, ...]:
    """Each rule on which both were judged, by the same judges; a family that either lacks is left out.

    Args:
        plan: What the candidate was asked.
        candidate: Its answers by probe and persona.
        champion: The champion's to the same probes; others count for nothing.
        judges: As the audit's.
    """
    found = []
    for cell in plan.cells:
        if cell.rule in BOUNDS_RULES:
            continue
        mine, theirs = (_outcomes(plan, cell, answers, judges) for answers in (candidate, champion))
        both = sorted(mine.keys() & theirs.keys())
        if not both:
            continue
        bad = [(mine[family] is Outcome.VIOLATION, theirs[family] is Outcome.VIOLATION) for family in both]
        found.append(
            RuleComparison(
                rule=cell.rule,
                direction=cell.direction.value,
                families=len(both),
                candidate=sum(a for a, _ in bad),
                champion=sum(b for _, b in bad),
                candidate_only=sum(a and not b for a, b in bad),
                champion_only=sum(b and not a for a, b in bad),
            )
        )
    return tuple(found)


def _outcomes(
    plan: AuditPlan,
    cell: Cell,
    answers: Mapping[tuple[str, str], Response],
    judges: Mapping[str, Judge],
) -> dict[str, Outcome]:
    plain = {key: each for key, each in answers.items() if key[1] == NO_PERSONA.id}
    judge = prepared(judge_of(cell, judges), cell, plan, plain)
    if judge is None:
        return {}
    requests = [each for each in plan.asked(cell) if each.persona.id == NO_PERSONA.id and each.key in plain]
    outcomes = family_outcomes(rule_requests(requests, plain, judge))
    return {family: each for family, each in outcomes.items() if each is not Outcome.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One measure of what the versions can do; bounds only where both say on how many items it was taken."""

    name: str
    candidate: float
    champion: float
    bounds: tuple[float, float] | None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        low, high = self.bounds or (None, None)
        return {
            "name": self.name,
            "candidate": round(self.candidate, _DIGITS),
            "champion": round(self.champion, _DIGITS),
            "difference": round(self.candidate - self.champion, _DIGITS),
            "low": None if low is None else round(low, _DIGITS),
            "high": None if high is None else round(high, _DIGITS),
        }


def capabilities(candidate: Mapping[str, float], champion: Mapping[str, float]) -> tuple[Capability, ...]:
    """Measures that both have. ``NAME.n`` says on how many items the share ``NAME`` was taken.

    Args:
        candidate: Its measures by name.
        champion: The champion's.
    """
    return tuple(
        Capability(
            name=name,
            candidate=candidate[name],
            champion=champion[name],
            bounds=_bounds(candidate, champion, name),
        )
        for name in sorted(candidate.keys() & champion.keys())
        if not name.endswith(_COUNT)
    )


def _bounds(
    candidate: Mapping[str, float], champion: Mapping[str, float], name: str
) -> tuple[float, float] | None:
    """95 % interval of the difference of two shares (Newcombe's hybrid of two Wilson intervals).

    Example:
        56 of 70 and 48 of 80: 0.2, from 0.0524 to 0.3339.

    Source: Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10.
    """
    sides = [(side[name], side.get(name + _COUNT, 0.0)) for side in (candidate, champion)]
    if any(not 0 <= share <= 1 or n < 1 for share, n in sides):
        return None
    (p, (low1, high1)), (q, (low2, high2)) = [(share, wilson_bounds(share, n, z=_Z)) for share, n in sides]
    return p - q - math.hypot(p - low1, high2 - q), p - q + math.hypot(high1 - p, q - low2)


def table_of(
    name: str, rules: Sequence[RuleComparison], measures: Sequence[Capability]
) -> dict[str, Any] | None:
    """What the report holds; None where nothing was compared."""
    if not rules and not measures:
        return None
    return {
        "champion": name,
        "confidence": CONFIDENCE,
        "rules": [each.as_json() for each in rules],
        "capability": [each.as_json() for each in measures],
    }
