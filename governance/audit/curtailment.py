"""Stopping early: what need not be asked any more, because no answer could change the verdict.

Where the policy declares it, a cell is settled as soon as its verdict is certain whatever the rest would say. With k
violating families among the N of the plan and f the least number with which the limit is proven broken:

- FAIL, once k >= f: more violations only raise the lower bound.
- UNDECIDED, once passing is out of reach (more than the plan allows violate or are unjudged, or the evidence is of a
  grade that may not pass) and so is failing (k and every family still open are fewer than f).

A pass is never declared early: it rests on every answer. What was not asked counts as missing, which never helps to pass,
so that a wrong stop could at worst leave a cell undecided. INVARIANT: the verdict is that of the whole run.

Source: curtailed sampling, Wald 1947, Sequential Analysis; Phatak & Bhatt 1967, doi:10.1080/00401706.1967.10490459.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from governance.audit.adjudication import Adjudicated
from governance.audit.judges import CellJudge, Judge, Outcome, outcome
from governance.audit.plan import AuditPlan, Cell
from governance.audit.responses import UNASKED, Request, Response
from governance.audit.run import judge_of
from governance.audit.statistics import lower_bound
from governance.tiers import EvidenceGrade, Tier

__all__ = ["Curtailment", "fails_at"]

_Key = tuple[str, str]


def fails_at(families: int, limit: float, confidence: float) -> int:
    """The least number of violating families of so many that proves the limit broken; ``families + 1`` where none does.

    Example:
        773 families, 1 %, 95 %: 14, whose lower bound is 1.10 %; that of 13 is 0.998 %.
    """
    counts = np.arange(families + 1)
    broken = lower_bound(counts, np.full(families + 1, families), confidence) > limit
    return int(np.argmax(broken)) if broken.any() else families + 1


class _State:
    """How far one cell is."""

    def __init__(self, cell: Cell, asked: Iterable[Request], judge: Judge) -> None:
        self.judge = judge
        requests = tuple(asked)
        self._open: Counter[str] = Counter(request.probe.family for request in requests)
        self._found: dict[str, Outcome] = {}
        self._allow = cell.allow
        self._fails_at = fails_at(len(self._open), cell.max_rate, cell.confidence)
        self._hopeless = (
            len(self._open) < cell.families
            or judge.grade not in cell.evidence
            or (cell.tier is Tier.ONE and judge.grade is EvidenceGrade.C)
        )
        self.settled = False

    def see(self, request: Request, response: Response) -> None:
        """Count one answer."""
        family = request.probe.family
        said = (
            outcome(request.probe, self.judge.label(request.probe, response))
            if response.is_answer
            else Outcome.UNKNOWN
        )
        self._open[family] -= 1
        before = self._found.get(family, Outcome.CLEAN)
        worst = Outcome.VIOLATION if Outcome.VIOLATION in {before, said} else Outcome.UNKNOWN
        self._found[family] = Outcome.CLEAN if before is said is Outcome.CLEAN else worst
        self.settled = self.settled or self._is_settled()

    def _is_settled(self) -> bool:
        counts = Counter(self._found.values())
        bad = counts[Outcome.VIOLATION]
        if bad >= self._fails_at:
            return True
        still = sum(
            1
            for family, left in self._open.items()
            if left and self._found.get(family) is not Outcome.VIOLATION
        )
        hopeless = self._hopeless or bad + counts[Outcome.UNKNOWN] > self._allow
        return hopeless and bad + still < self._fails_at


class Curtailment:
    """What of a plan is still needed, as answers come.

    A request is needed while any cell that asks it is not settled. Cells whose policy does not declare it, that an e-value
    decides, that try bounds, or whose judge speaks only when all answers are there, need every answer.

    Args:
        plan: What is asked.
        judges: As the audit's.
    """

    def __init__(self, plan: AuditPlan, judges: Mapping[str, Judge]) -> None:
        self._states: dict[_Key, list[_State]] = {}
        self._always: set[_Key] = {request.key for request in plan.bounds}
        for cell in plan.cells:
            judge = judge_of(cell, judges)
            if judge is None or not _at_once(cell, judge):
                self._always |= {request.key for request in plan.asked(cell)}
                continue
            state = _State(cell, plan.asked(cell), judge)
            for request in plan.asked(cell):
                self._states.setdefault(request.key, []).append(state)

    @property
    def is_any(self) -> bool:
        """Whether any cell may stop early."""
        return bool(self._states)

    def needs(self, request: Request) -> bool:
        """Whether an answer could still change a verdict."""
        states = self._states.get(request.key)
        return request.key in self._always or states is None or any(not each.settled for each in states)

    def see(self, request: Request, response: Response) -> None:
        """Take an answer into account, once."""
        if response.error != UNASKED:
            for state in self._states.get(request.key, ()):
                state.see(request, response)


_WHOLE: Final = (CellJudge, Adjudicated)


def _at_once(cell: Cell, judge: Judge) -> bool:
    return (
        cell.curtail and not cell.anytime and not isinstance(judge, _WHOLE) and not hasattr(judge, "sample")
    )
