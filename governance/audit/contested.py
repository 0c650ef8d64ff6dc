"""Where groups want different answers: what no single answer can serve, and what only steering can.

Pluralistic alignment asks of a model that it can be steered to each group, or that its answer holds what all of them find
acceptable (Sorensen et al. 2024, arXiv:2402.05070: steerable and Overton pluralism). A choice between two answers shows the
first, and of the second only where it is needed: on pairs of which groups prefer different answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["NO_ANSWER", "Contested", "contested"]

NO_ANSWER: Final = frozenset({"prefer_not_to_say", "not_asked", "expired", "revoked", "suppressed", ""})
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """``pairs`` of the ``of`` pairs that two or more groups of one question judged, on which their majorities differ."""

    pairs: int
    of: int


def contested(
    pairs: Sequence[Hashable], first: Sequence[bool], strata: Mapping[str, Sequence[str]]
) -> Contested:
    """Count the pairs of which the majorities of two groups of one question prefer different answers.

    A majority is taken as it is, however few judged, and a tie is none; so this reports and never gates.

    Args:
        pairs: What was judged, one entry for each judgement: the prompt and its two answers in an order of their own.
        first: Whether the first of them was preferred.
        strata: Codebook question to the annotators' answers, each as long as ``pairs``.

    Example:
        Of the young 2 of 3 prefer the first answer, of the old 1 of 3: contested. 2 of 3 and 2 of 4: not.
    """
    shared: set[Hashable] = set()
    apart: set[Hashable] = set()
    for answers in strata.values():
        votes: dict[Hashable, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
        for pair, group, said in zip(pairs, answers, first, strict=True):
            if group not in NO_ANSWER:
                votes[pair][group].append(said)
        for pair, groups in votes.items():
            shares = [sum(each) / len(each) for each in groups.values()]
            if len(shares) > 1:
                shared.add(pair)
            if min(shares) < _HALF < max(shares):
                apart.add(pair)
    return Contested(pairs=len(apart), of=len(shared))
