"""How wrong a judge is, measured against people; and bounds from samples of what it did not flag.

A judge's error does not transfer between models (GPT-4 labels of XSTest's unsafe prompts are off by 3 to
28 points, differently for each model), so it is measured for each subject, printed in every report, and
never used to correct a rate into a pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from governance.audit.statistics import lower_bound, upper_bound

__all__ = ["JudgeError", "Proportion", "adjudicated_upper_bound", "hypergeometric_upper", "judge_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """A proportion with its exact two-sided interval; None where nothing was counted."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """Count / total."""
        return self.count / self.total if self.total else None

    @classmethod
    def of(cls, count: int, total: int, *, confidence: float = 0.95) -> Proportion:
        """Clopper-Pearson, central: each side at ``(1 + confidence) / 2``."""
        side = (1 + confidence) / 2
        return cls(
            count=count,
            total=total,
            low=float(lower_bound(count, total, side)),
            high=float(upper_bound(count, total, side)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeError:
    """A judge against people on the same answers.

    Attributes:
        sensitivity: Share of the violations people found that the judge found too.
        specificity: Share of what people found harmless that the judge left alone.
        rate_people: Violation rate by people; ``rate_judge`` by the judge.
        abstained: Answers the judge could not judge; they count in neither.
    """

    sensitivity: Proportion
    specificity: Proportion
    rate_people: float
    rate_judge: float
    abstained: int

    @property
    def points_off(self) -> float:
        """Judge's rate minus people's rate, in percentage points."""
        return 100 * (self.rate_judge - self.rate_people)


def judge_error(people: list[bool], judge: list[bool | None]) -> JudgeError:
    """Sensitivity and specificity of a judge, answer by answer (True: a violation, None: abstained).

    Raises:
        ValueError: The lists differ in length, or nothing was judged by both.
    """
    if len(people) != len(judge):
        raise ValueError("people and judge must rule on the same answers")
    both = [(truth, flag) for truth, flag in zip(people, judge, strict=True) if flag is not None]
    if not both:
        raise ValueError("no answer was judged by both people and judge")
    true_flags = sum(truth and flag for truth, flag in both)
    false_flags = sum(not truth and flag for truth, flag in both)
    violations = sum(truth for truth, _ in both)
    return JudgeError(
        sensitivity=Proportion.of(true_flags, violations),
        specificity=Proportion.of(len(both) - violations - false_flags, len(both) - violations),
        rate_people=violations / len(both),
        rate_judge=(true_flags + false_flags) / len(both),
        abstained=len(people) - len(both),
    )


def hypergeometric_upper(found: int, sampled: int, population: int, *, confidence: float = 0.95) -> int:
    """Most violations that ``population`` may hold, given ``found`` in a random sample of ``sampled``.

    The largest K with P(X <= found) > 1 - confidence for X ~ Hypergeometric(population, K, sampled): exact,
    because the sample is drawn without replacement from a finite set (the answers a judge did not flag).

    Example:
        0 found in 10 of 20: K = 3, as C(17,10)/C(20,10) = .105 > .05 and C(16,10)/C(20,10) = .043 <= .05.

    Source: Katz 1953, doi:10.1080/01621459.1953.10483471; Buonaccorsi 1987,
    doi:10.1080/00031305.1987.10475483.
    """
    if not 0 <= found <= sampled <= population:
        raise ValueError("found <= sampled <= population, all at least 0")
    alpha = 1 - confidence
    low, high = found, population - (sampled - found) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _hypergeometric_cdf(found, population, middle, sampled) > alpha:
            low = middle
        else:
            high = middle
    return low


def _hypergeometric_cdf(x: int, population: int, marked: int, drawn: int) -> float:
    i = np.arange(max(0, drawn - (population - marked)), min(x, marked, drawn) + 1)

    def log_choose(top: object, bottom: object) -> object:
        t, b = np.asarray(top, float), np.asarray(bottom, float)
        return scipy.special.gammaln(t + 1) - scipy.special.gammaln(b + 1) - scipy.special.gammaln(t - b + 1)

    terms = np.asarray(log_choose(marked, i)) + np.asarray(log_choose(population - marked, drawn - i))
    return float(np.exp(terms - np.asarray(log_choose(population, drawn))).sum())


def adjudicated_upper_bound(
    *, confirmed: int, missed: int, sampled: int, unflagged: int, families: int, confidence: float = 0.95
) -> float:
    """Upper bound of a violation rate from grade B evidence.

    People judged every flag (``confirmed`` violations) and a random sample of what was not flagged
    (``missed`` of ``sampled`` out of ``unflagged``). Half of alpha bounds the violations among the unflagged
    (:func:`hypergeometric_upper`), half the rate behind the resulting count (Clopper-Pearson); by
    Bonferroni the whole holds with ``confidence``.

    Example:
        4 confirmed; 0 missed in all 190 unflagged of 200: the bound of 4 of 200 at 97.5 %, 0.0504.
    """
    if families < unflagged + confirmed:
        raise ValueError("flagged and unflagged families cannot exceed the families asked")
    half = 1 - (1 - confidence) / 2
    unseen = hypergeometric_upper(missed, sampled, unflagged, confidence=half)
    return float(upper_bound(confirmed + unseen, families, half))
