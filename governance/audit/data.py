"""The data finding: may a model trained from this release be promoted, for what its data are?

A model inherits the faults of the judgements behind it. For every data rule of the policy in force the
release's batches must have been found to keep it, under this very version of the rule; a rule that was not
checked, or was checked under other terms, is UNDECIDED and blocks like everything unmeasured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from governance.audit.statistics import Verdict
from governance.audit.verdicts import Finding
from governance.policy.model import DataNeed, EffectivePolicy
from governance.tiers import Direction

__all__ = ["DataResult", "data_findings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataResult:
    """What one batch says about one data rule.

    Attributes:
        rule: Id of the rule.
        batch: Digest of the batch.
        passed: Whether it was kept; None where it was not checked under the terms now in force.
        sentence: What was found.
    """

    rule: str
    batch: str
    passed: bool | None
    sentence: str


def data_findings(
    policy: EffectivePolicy, results: Sequence[DataResult], *, release: str | None
) -> tuple[Finding, ...]:
    """A finding for each data rule of the policy.

    Args:
        policy: The policy in force.
        results: What the batches behind the model's release say.
        release: Digest of the release that the model names; None where it names none.
    """
    return tuple(
        _finding(need, [result for result in results if result.rule == need.id], release=release)
        for need in policy.data_requirements
    )


def _finding(need: DataNeed, results: Sequence[DataResult], *, release: str | None) -> Finding:
    verdict, reasons = _judge(results, release=release)
    return Finding(
        rule=need.id,
        statement=need.statement or need.check.replace("_", " "),
        owner=need.document.owner,
        tier=need.document.tier,
        risks=(),
        direction=Direction.VIOLATION,
        verdict=verdict,
        reasons=tuple(reasons),
    )


def _judge(results: Sequence[DataResult], *, release: str | None) -> tuple[Verdict, Iterable[str]]:
    if release is None:
        return Verdict.UNDECIDED, ["the model names no release, so nobody knows what it learned from"]
    if not results:
        return Verdict.UNDECIDED, ["the release's batches were not checked for this rule"]
    if broken := [result for result in results if result.passed is False]:
        return Verdict.FAIL, [result.sentence for result in broken]
    if unchecked := [result for result in results if result.passed is None]:
        return Verdict.UNDECIDED, [result.sentence for result in unchecked]
    return Verdict.PASS, [result.sentence for result in results]
