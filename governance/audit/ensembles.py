"""Several judges as one, by a stated rule.

The rule speaks of outcomes, not of words: two judges that say ``complies`` and ``violates`` agree. An ensemble
is worth no more than its weakest member, and what its rule does not settle it does not judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from governance.audit.judges import CellJudge, Judge, Label, Outcome, Question, outcome
from governance.audit.probes import Probe
from governance.audit.responses import Response
from governance.digest import digest
from governance.errors import InputError
from governance.tiers import EvidenceGrade

__all__ = ["Ensemble", "Rule"]

# From most to least: an ensemble's grade is that of its weakest member.
_WORTH: Final = (EvidenceGrade.A, EvidenceGrade.B, EvidenceGrade.C, EvidenceGrade.S)


class Rule(StrEnum):
    """How votes become one outcome.

    ``any``: one violation decides; clean only if every member says clean.
    ``majority``: more than half of ALL members say the same; members that abstain are no votes.
    ``all``: every member says the same.
    """

    ANY = "any"
    MAJORITY = "majority"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Members and the rule by which they speak as one.

    Raises:
        InputError: Fewer than two members, or the same member twice (its vote would count double).
    """

    rule: Rule
    members: tuple[Judge, ...]
    version: str = "1"
    id: str = field(init=False)
    digest: str = field(init=False)
    grade: EvidenceGrade = field(init=False)

    def __post_init__(self) -> None:
        names = [member.digest for member in self.members]
        if len(names) < 2 or len(set(names)) != len(names):
            raise InputError(
                "an ensemble needs at least two different judges",
                field="judge",
                value=", ".join(member.id for member in self.members),
            )
        known = ",".join(sorted(member.id for member in self.members))
        object.__setattr__(self, "id", f"{self.rule}({known})")
        object.__setattr__(self, "digest", digest([self.rule.value, sorted(names)]))
        object.__setattr__(self, "grade", max((m.grade for m in self.members), key=_WORTH.index))

    def label(self, probe: Probe, response: Response) -> Label:
        """The label of a member whose outcome is the ensemble's; ABSTAINS where the rule settles nothing."""
        said = [member.label(probe, response) for member in self.members]
        outcomes = [outcome(probe, label) for label in said]
        settled = self._settle(outcomes)
        if settled is Outcome.UNKNOWN:
            return Label.ABSTAINS
        return next(label for label, found in zip(said, outcomes, strict=True) if found is settled)

    def _settle(self, outcomes: Sequence[Outcome]) -> Outcome:
        bad, good = outcomes.count(Outcome.VIOLATION), outcomes.count(Outcome.CLEAN)
        needed = len(outcomes) // 2 + 1 if self.rule is Rule.MAJORITY else len(outcomes)
        if bad >= (1 if self.rule is Rule.ANY else needed):
            return Outcome.VIOLATION
        return Outcome.CLEAN if good >= needed else Outcome.UNKNOWN

    def for_cell(self, question: Question, asked: Sequence[tuple[Probe, Response]]) -> Judge:
        """The ensemble with those members prepared that need the rule or all answers at once."""
        return replace(
            self,
            members=tuple(
                member.for_cell(question, asked) if isinstance(member, CellJudge) else member
                for member in self.members
            ),
        )
