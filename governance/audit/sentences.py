"""The sentences in which every rendering of a report speaks, so that all of them say the same."""

from __future__ import annotations

from typing import Final

from governance.audit.judge_error import JudgeError, Proportion
from governance.audit.report import AuditReport
from governance.audit.shown import exact_percent, percent
from governance.audit.statistics import Verdict
from governance.audit.verdicts import Finding
from governance.counted import Counted, counted_by
from governance.instants import stamp
from governance.tiers import EvidenceGrade
from governance.wording import many

__all__ = [
    "BOUNDS_NOTE",
    "JUDGE_COLUMNS",
    "JUDGE_LEAD",
    "bounds_of",
    "counted",
    "evidence_sentence",
    "found",
    "headline",
    "is_about_data",
    "is_about_people",
    "is_measured",
    "judge_row",
    "limit_of",
    "notes",
    "share",
    "tried",
    "untested",
    "waived",
    "worth",
]

_GRADES = {
    "A": "people judged this very model's answers",
    "B": "people settled every flag of a judge and sampled what it did not flag",
    "C": "an automatic judge alone; it may refuse, but never passes Tier One",
    "S": "simulated labels, for demonstrations only",
}


def headline(report: AuditReport) -> str:
    """What the verdict means, in one sentence."""
    findings = [finding for finding in report.findings if report.waiver_of(finding) is None]
    passed = sum(finding.is_passed for finding in findings)
    total, beside = len(findings), len(report.findings) - len(findings)
    if beside and report.verdict is Verdict.PASS:
        return f"{many(passed, 'rule was', 'rules were')} measured and kept; {beside} did not pass and {'is' if beside == 1 else 'are'} waived by signature."
    if report.verdict is Verdict.PASS:
        return f"All {total} rules were measured, and every one is kept."
    failed = sum(finding.verdict is Verdict.FAIL for finding in findings)
    open_ = total - passed - failed
    if report.verdict is Verdict.FAIL:
        return f"{failed} of {total} rules {'is' if failed == 1 else 'are'} broken; {open_} {'is' if open_ == 1 else 'are'} undecided and {passed} passed. It may not be promoted."
    return f"{open_} of {total} rules {'is' if open_ == 1 else 'are'} undecided and {passed} passed. What is not shown is not passed: no promotion."


def waived(report: AuditReport, finding: Finding) -> list[str]:
    """That a finding is waived, until when and by what; empty where it is not."""
    found = report.waiver_of(finding)
    if found is None:
        return []
    return [f"waived until {stamp(found.until)} by a signed waiver in the log, {found.waiver}"]


def is_about_data(finding: Finding) -> bool:
    """Whether it is a finding about the data behind the model, which no probe gives."""
    return counted_by(finding.rule, finding.direction) is Counted.DATA


def is_about_people(finding: Finding) -> bool:
    """Whether it is a finding about agreement with a group of people."""
    return counted_by(finding.rule, finding.direction) is Counted.AGREEMENT


def is_measured(finding: Finding) -> bool:
    """Whether bounds were computed, of a rate of families or of agreement."""
    return bool(finding.families or (finding.measured and finding.rate is not None))


def counted(finding: Finding) -> str:
    """What the finding counts, in plain words."""
    return counted_by(finding.rule, finding.direction).in_words


def found(finding: Finding) -> str:
    """How many families violate; data rules are kept or broken as a whole."""
    if finding.measured:
        return finding.measured
    if finding.families:
        return f"{finding.violations} of {finding.families}"
    if is_about_data(finding) and finding.verdict is not Verdict.UNDECIDED:
        return "kept" if finding.is_passed else "broken"
    return "not evaluated"


def evidence_sentence(finding: Finding) -> str:
    """What a finding rests on."""
    if is_about_data(finding):
        return "checked on the batches of the release that the model names"
    if is_about_people(finding) and finding.grade is not None:
        who = "simulated people, for demonstrations only" if finding.grade is EvidenceGrade.S else "people"
        return f"grade {finding.grade}: held-out judgements of {who}, none of which the model learned from"
    if finding.grade is None:
        return "nothing was judged"
    return f"grade {finding.grade}: {_GRADES[finding.grade]}"


def bounds_of(finding: Finding, *, between: str = " to ") -> str:
    """``0.03 to 2.35 %``, or a dash."""
    if not is_measured(finding):
        return "-"
    return between.join(percent(each, limit=finding.limit) for each in (finding.low, finding.high)) + " %"


def limit_of(finding: Finding) -> str:
    """``5 %``, or a dash."""
    return "-" if finding.limit is None else f"{exact_percent(finding.limit)} %"


def share(count: int, total: int) -> str:
    """``6.4 % (16 of 250)``."""
    return f"{100 * count / total:.1f} % ({count} of {total})" if total else "not measurable (0 of 0)"


JUDGE_COLUMNS: Final = ("Judge", "Judged", "Points off people", "Sensitivity", "Specificity")
JUDGE_LEAD: Final = (
    "Measured against people on these very answers; it does not transfer to another model. Points off: the judge's "
    "rate less the people's, both over the answers that it judged. In brackets the exact 95 % interval."
)
BOUNDS_NOTE: Final = (
    "Each bound of a rate is one-sided: it holds by itself with the confidence that the policy declares; that either "
    "of the two fails is up to twice as likely."
)


def judge_row(name: str, error: JudgeError) -> tuple[str, ...]:
    """One judge's error on one rule, under :data:`JUDGE_COLUMNS`; what it abstained from is said."""
    judged = error.sensitivity.total + error.specificity.total
    return (
        name.replace("/", ", "),
        f"{judged} of {judged + error.abstained}",
        f"{error.points_off:+.1f}",
        _within(error.sensitivity),
        _within(error.specificity),
    )


def _within(found: Proportion) -> str:
    """``95.6 % (175 of 183; 91.6 to 98.1 %)``."""
    if not found.total:
        return share(0, 0)
    return f"{share(found.count, found.total)[:-1]}; {100 * found.low:.1f} to {100 * found.high:.1f} %)"


def worth(finding: Finding) -> str | None:
    """``design effect 11.0, worth 23 of 250``: said beside the verdict, which counts every family in full.

    None where families of a group do not repeat each other (an effect that rounds to 1 or less).
    """
    found = finding.dependence
    if found is None or round(found.effect, 1) <= 1:
        return None
    return f"design effect {found.effect:.1f}, worth {found.effective:.0f} of {finding.families}"


def notes(finding: Finding) -> list[str]:
    """What a careful reader asks next: what would decide, how dependent the probes are, who is worst off."""
    said = []
    if finding.to_decide and finding.rate is not None and finding.limit is not None:
        families, count = finding.to_decide
        side = "allowing" if finding.rate < finding.limit else "proving it with"
        said.append(
            f"were the true rate {percent(finding.rate, limit=finding.limit)} %, a new plan of {families:,} fresh families {side} "
            f"{count:,} violations would decide with probability 0.8"
        )
    if finding.goes_on:
        said.append(
            f"its e-value plan lets it go on with probes that hold all of these: {finding.goes_on:,} families in all would "
            "pass it, were no further one to violate"
        )
    if finding.dependence:
        said.append(
            f"design effect {finding.dependence.effect:.1f} by group: if probes of a group repeat each other, "
            f"{finding.families} families are worth {finding.dependence.effective:.0f}"
        )
    if finding.abstentions:
        said.append(
            f"{many(finding.abstentions, 'family', 'families')} could not be judged, which counts against passing"
        )
    if finding.partial:
        said.append(f"{many(finding.partial, 'answer refuses', 'answers refuse')} in part")
    if finding.worst_persona:
        said.append(
            f"worst persona {finding.worst_persona[0]}: {finding.worst_persona[1]} violating families"
        )
    return said


def untested(report: AuditReport) -> list[str]:
    """What this audit says nothing about."""
    said = [
        f"{finding.rule}: {finding.reasons[0]}"
        for finding in report.findings
        if not finding.families and not finding.measured and finding.verdict is Verdict.UNDECIDED
    ]
    uncovered = report.as_json()["risks"]["uncovered"]
    if uncovered:
        said.append(f"risks of the taxonomy without a measured rule: {', '.join(uncovered)}")
    if report.personas == ("none",):
        said.append("no persona: the model was asked as it is, not personalised")
    if not any(map(is_about_data, report.findings)):
        said.append("the data behind the model")
    if report.alignment is None:
        said.append("alignment by stratum: whether the model agrees with each group of people")
    unmeasured: dict[str, list[str]] = {}
    for finding in report.findings:
        name = f"{finding.judge}/{finding.rule}/{finding.direction.value}"
        if finding.grade is EvidenceGrade.C and finding.families and name not in report.judge_errors:
            unmeasured.setdefault(str(finding.judge), []).append(finding.rule)
    said += [
        f"how often the judge {judge} errs on this model, by {', '.join(sorted(set(rules)))}: not measured, "
        "because nobody labelled its answers"
        for judge, rules in sorted(unmeasured.items())
    ]
    return said


def tried(report: AuditReport) -> str:
    """How often it was tried, as far as anything says."""
    if report.attempt is not None:
        return report.attempt.sentence
    return (
        "This audit was made from files alone: no platform registered it before its first question, so nothing says how "
        "often it was tried before."
    )
