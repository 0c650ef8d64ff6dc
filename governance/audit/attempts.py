"""Whether an audit may be made at all: nobody retries until it passes.

One audit with a fixed plan is made of an artifact under a policy with a probe set. Made again with the same plan
it is the same audit: what was answered then stands, and nothing is asked. Anything else spends evidence:

- The same artifact, policy and probes under another plan (seed, personas): refused.
- The same artifact with other probes after a verdict that was not PASS: refused, unless every rule that was left
  undecided is under an e-value plan declared beforehand, none is broken, and the new probes hold all the old ones.
- Another version of the model on probes that earlier versions were tried with: each use adds its alpha, because a
  version may have been made with the probes in sight. Their sum may reach the error budget that the policy declares
  (by Bonferroni the chance that any of these versions passes falsely is at most that); without one, a probe is
  used once. Fresh probes cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Attempt", "Permission", "permission"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One audit, as it is registered before the first question.

    Attributes:
        probes: Digests of what is asked (:attr:`governance.audit.probes.Probe.sha256`).
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
    verdict: str | None = None
    undecided: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Whether the audit may be made; ``reasons`` say why not.

    Attributes:
        again: The same audit made before, if there is one: its answers stand.
        spent: Error spent by earlier versions on these probes; ``budget`` what may be spent in all.
        uses: How many earlier versions were tried with some of these probes.
    """

    reasons: tuple[str, ...] = ()
    again: Attempt | None = None
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
            return Permission(again=attempt)
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


def _percent(value: float) -> str:
    return f"{100 * value:g} %"
