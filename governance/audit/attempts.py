"""Whether an audit may be made at all: nobody retries until it passes.

One audit with a fixed plan is made of an artifact under a policy with a probe set. Made again with the same plan
it is the same audit: what was answered then stands, and nothing is asked. Anything else spends evidence:

- The same artifact, policy and probes under another plan (seed, personas): refused.
- The same plan judged by others: refused, but for people (grade A or B) who judge over the same answers what was left
  undecided. Another machine is not asked until one says what was hoped for.
- The same artifact with other probes after a verdict that was not PASS: refused, unless every rule that was left
  undecided is under an e-value plan declared beforehand, none is broken, and the new probes hold all the old ones.
- Another version of the model on probes that earlier versions were tried with: each use adds its alpha, because a
  version may have been made with the probes in sight. Their sum may reach the error budget that the policy declares
  (by Bonferroni the chance that any of these versions passes falsely is at most that); without one, a probe is
  used once. Fresh probes cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from governance.audit.judges import Judge
from governance.digest import digest
from governance.tiers import EvidenceGrade

__all__ = ["Attempt", "JudgedBy", "Permission", "Standing", "judged_by", "permission"]

_PEOPLE: Final = frozenset({EvidenceGrade.A, EvidenceGrade.B})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class JudgedBy:
    """A judge of an attempt: the name that policies give it, and what identifies it."""

    name: str
    id: str
    version: str
    digest: str
    grade: str

    def as_json(self) -> list[str]:
        """Plain values, in order."""
        return [self.name, self.id, self.version, self.digest, self.grade]


def judged_by(judges: Mapping[str, Judge]) -> frozenset[JudgedBy]:
    """Who judges, as an attempt records it."""
    return frozenset(
        JudgedBy(name=name, id=each.id, version=each.version, digest=each.digest, grade=each.grade.value)
        for name, each in judges.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One audit, as it is registered before the first question.

    Attributes:
        probes: Digests of what is asked (:attr:`governance.audit.probes.Probe.sha256`).
        judges: Who judges.
        alpha: Chance that a bad model passes it falsely: the largest 1 - confidence of its cells.
        anytime: Cells (``rule/direction``) under an e-value plan.
        verdict: None until it is finished; ``undecided`` and ``broken`` name cells then.
    """

    model: str
    version: str
    artifact: str
    policy: str
    probe_set: str
    plan: str
    probes: frozenset[str]
    alpha: float
    anytime: frozenset[str]
    at: datetime
    judges: frozenset[JudgedBy] = frozenset()
    verdict: str | None = None
    undecided: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()

    @property
    def judges_digest(self) -> str:
        """Identity of those who judge."""
        return digest([each.as_json() for each in sorted(self.judges)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Whether the audit may be made; ``reasons`` say why not.

    Attributes:
        again: The same audit made before, if there is one: its answers stand.
        judged_anew: Whether people judge those answers now, where others did before.
        spent: Error spent by earlier versions on these probes; ``budget`` what may be spent in all.
        uses: How many earlier versions were tried with some of these probes.
    """

    reasons: tuple[str, ...] = ()
    again: Attempt | None = None
    judged_anew: bool = False
    spent: float = 0.0
    budget: float = 0.0
    uses: int = 0

    def __bool__(self) -> bool:
        return not self.reasons


def permission(wanted: Attempt, earlier: Sequence[Attempt], *, budget: float | None) -> Permission:
    """Whether ``wanted`` may be made after ``earlier`` attempts.

    Args:
        wanted: What is to be made now.
        earlier: Every attempt that is registered, in any order.
        budget: What the policy lets all versions of a model spend on one probe set; None: one use.
    """
    mine = sorted(
        (e for e in earlier if e.artifact == wanted.artifact and e.policy == wanted.policy),
        key=lambda e: e.at,
    )
    same = [e for e in mine if e.probe_set == wanted.probe_set]
    for attempt in same:
        if attempt.plan == wanted.plan:
            reason = _other_judges(wanted, attempt)
            anew = attempt.judges != wanted.judges
            return Permission(reasons=(reason,)) if reason else Permission(again=attempt, judged_anew=anew)
    if same:
        return Permission(reasons=(_second(same[0]),))
    reasons = [reason for attempt in mine if (reason := _retried(wanted, attempt))]
    others = [
        e
        for e in earlier
        if (e.model, e.policy) == (wanted.model, wanted.policy)
        and e.artifact != wanted.artifact
        and not e.probes.isdisjoint(wanted.probes)
    ]
    allowed = max(budget or 0.0, wanted.alpha)
    spent = sum(_uses(others).values())
    if spent + wanted.alpha > allowed + 1e-9:
        reasons.append(
            f"{len(_uses(others))} other versions were tried with these probes and spent {_percent(spent)} of error; this "
            f"one would spend {_percent(wanted.alpha)} more, and the policy's error budget is {_percent(allowed)}: it "
            "needs fresh prompt families"
        )
    return Permission(reasons=tuple(reasons), spent=spent, budget=allowed, uses=len(_uses(others)))


def _uses(attempts: Sequence[Attempt]) -> dict[str, float]:
    """What each artifact spent; one that was continued under an e-value plan spends once."""
    spent: dict[str, float] = {}
    for attempt in attempts:
        spent[attempt.artifact] = max(spent.get(attempt.artifact, 0.0), attempt.alpha)
    return spent


def _second(first: Attempt) -> str:
    found = first.verdict or "not finished"
    return (
        f"this artifact was audited under this policy with these probes on {first.at:%Y-%m-%d} ({found}); a second "
        "attempt under another plan is refused"
    )


def _other_judges(wanted: Attempt, before: Attempt) -> str | None:
    """Why the same answers may not be judged by others; None where they may, or the judges are the same."""
    fresh = wanted.judges - before.judges
    if wanted.judges == before.judges or before.verdict is None:
        return None  # nothing was said yet
    if (
        before.verdict == "UNDECIDED"
        and not before.broken
        and fresh
        and all(e.grade in _PEOPLE for e in fresh)
    ):
        return None
    named = ", ".join(sorted(f"{each.id} {each.version}" for each in before.judges)) or "other judges"
    return (
        f"this artifact was audited under this policy with these probes on {before.at:%Y-%m-%d} and judged by {named}: "
        f"{before.verdict}; only people may judge the same answers again, and only what was left undecided"
    )


def _retried(wanted: Attempt, before: Attempt) -> str | None:
    """Why other probes may not be tried after an earlier attempt on the same artifact; None where they may."""
    if before.verdict == "PASS":
        return None
    when = f"{before.at:%Y-%m-%d}"
    if before.verdict is None:
        return f"an audit of this artifact under this policy was begun on {when} and not finished; finish that one"
    if before.broken or before.verdict == "FAIL":
        return f"this artifact did not pass under this policy on {when} (FAIL); other probes do not undo that"
    if not before.undecided <= before.anytime:
        fixed = ", ".join(sorted(before.undecided - before.anytime))
        return (
            f"UNDECIDED on {when}; it may go on only under an e-value plan declared beforehand, and these rules have a "
            f"fixed plan: {fixed}"
        )
    if not before.probes <= wanted.probes:
        return (
            f"UNDECIDED on {when}; to go on under the e-value plan the probes must hold every one asked then"
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An attempt as it stands on record, for the report.

    Attributes:
        entry: Its place in the log.
        at: When it was registered, before its first question.
        uses, spent, budget: As the :class:`Permission` said then.
        judged_anew: How often people judged what others left undecided.
    """

    entry: int
    at: datetime
    plan: str
    judges: str
    alpha: float
    uses: int
    spent: float
    budget: float
    judged_anew: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "entry": self.entry,
            "at": self.at.isoformat(),
            "plan": self.plan,
            "judges": self.judges,
            "alpha": self.alpha,
            "versions_before": self.uses,
            "spent_before": self.spent,
            "budget": self.budget,
            "judged_anew": self.judged_anew,
        }

    @property
    def sentence(self) -> str:
        """How often it was tried, for people."""
        said = f"Registered on {self.at:%Y-%m-%d %H:%M} UTC before the first question, as entry {self.entry} of the log. "
        said += (
            f"{self.uses} other version{'s' if self.uses != 1 else ''} of the model had been tried with these probes and "
            f"spent {_percent(self.spent)} of error; this one spends {_percent(self.alpha)} of {_percent(self.budget)}."
            if self.uses
            else "No other version of the model had been tried with these probes."
        )
        if self.judged_anew:
            times = "once" if self.judged_anew == 1 else f"{self.judged_anew} times"
            said += f" People judged its answers anew, {times}, where the verdict before was UNDECIDED."
        return said


def _percent(value: float) -> str:
    return f"{100 * value:g} %"
