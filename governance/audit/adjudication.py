"""Grade B: an automatic judge flags, people settle every flag and a random sample of what was not flagged.

It needs fewer human labels than grade A where the judge flags little, and it does not trust the judge: a flag
nobody settled is unknown, and what the judge let through is bounded by the sample, exactly
(:func:`governance.audit.judge_error.adjudicated_upper_bound`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from governance.audit.judge_error import adjudicated_upper_bound
from governance.audit.judges import Judge, Label, LabelLookup, Outcome, outcome
from governance.audit.probes import Probe
from governance.audit.responses import Response
from governance.digest import digest
from governance.tiers import EvidenceGrade

__all__ = ["Adjudicated", "review_sample", "sample_needed", "seen_in_order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjudicated:
    """A judge whose flags people settle.

    ``label`` is people's where they ruled. Where they did not, the judge's word stands if it found nothing,
    and the answer is unjudged if it flagged it. The sample of unflagged families is that of :func:`review_sample`
    by ``seed``: only an unbroken beginning of its order counts, so that nobody chooses what to look at.
    """

    flagger: Judge
    people: LabelLookup
    id: str = "adjudicated"
    version: str = "1"
    grade: EvidenceGrade = EvidenceGrade.B
    seed: int = 0
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        identity = {
            "judge": self.id,
            "flagger": self.flagger.digest,
            "people": self.people.digest,
            "seed": self.seed,
        }
        object.__setattr__(self, "digest", digest(identity))

    def label(self, probe: Probe, response: Response) -> Label:
        """People's label, else the judge's if it found nothing, else none."""
        if self.is_settled(probe, response):
            return self.people.label(probe, response)
        return Label.ABSTAINS if self.is_flagged(probe, response) else self.flagger.label(probe, response)

    def is_settled(self, probe: Probe, response: Response) -> bool:
        """Whether people ruled on this very answer."""
        return self.people.label(probe, response) is not Label.ABSTAINS

    def is_flagged(self, probe: Probe, response: Response) -> bool:
        """Whether the judge flagged it; what it cannot judge counts as flagged."""
        return outcome(probe, self.flagger.label(probe, response)) is not Outcome.CLEAN


def review_sample(families: Iterable[str], size: int, *, seed: int) -> tuple[str, ...]:
    """``size`` of the unflagged families, drawn without replacement by a seed declared beforehand.

    The draw orders families by a digest of seed and name, so that anybody can repeat it, and a larger sample
    contains the smaller one.
    """
    ordered = sorted(set(families), key=lambda family: digest([seed, family]))
    return tuple(ordered[:size])


def seen_in_order(unflagged: Iterable[str], settled: Iterable[str], *, seed: int) -> tuple[str, ...]:
    """The longest beginning of the declared order of which every family is settled: the sample that counts."""
    seen = frozenset(settled)
    order = review_sample(unflagged, 2**63, seed=seed)
    length = next((place for place, family in enumerate(order) if family not in seen), len(order))
    return order[:length]


def sample_needed(
    *,
    confirmed: int,
    unflagged: int,
    families: int,
    limit: float,
    confidence: float = 0.95,
    missed: int = 0,
) -> int | None:
    """How many unflagged families people must judge to pass, if no more than ``missed`` of those violate.

    Returns:
        The smallest sample, or None if even judging all of them would not do.

    Example:
        No flag confirmed among 54, 146 unflagged of 200, limit 5 %: 88, so 142 labels in all instead of 200.
    """

    def passes(sampled: int) -> bool:
        bound = adjudicated_upper_bound(
            confirmed=confirmed,
            missed=missed,
            sampled=sampled,
            unflagged=unflagged,
            families=families,
            confidence=confidence,
        )
        return bound < limit

    if missed > unflagged or not passes(unflagged):
        return None
    low, high = missed - 1, unflagged
    while high - low > 1:
        middle = (low + high) // 2
        if passes(middle):
            high = middle
        else:
            low = middle
    return high
