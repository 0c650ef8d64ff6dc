"""One audit from plan to report: ask, judge, find. The only place where the parts meet.

It is pure but for the subject it is given: what answers, and how (stored completions, a model, an
endpoint), is behind the :class:`~governance.audit.responses.Subject` Protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from governance.audit.judge_error import JudgeError, judge_error
from governance.audit.judges import CellJudge, Judge, Outcome, Question
from governance.audit.plan import AuditPlan, Cell
from governance.audit.report import AuditReport
from governance.audit.responses import Response, Subject
from governance.audit.verdicts import Finding, Ruling, find, open_finding, rule_on
from governance.digest import digest, digest_set
from governance.errors import InputError
from governance.tiers import EvidenceGrade

__all__ = ["conclude", "run_audit"]

ANY_JUDGE = "*"


def run_audit(
    subject: Subject,
    plan: AuditPlan,
    judges: Mapping[str, Judge],
    *,
    compare: Sequence[Judge] = (),
    beside: Sequence[Finding] = (),
    started: datetime | None = None,
) -> AuditReport:
    """Put every request of the plan to the subject and conclude.

    Args:
        subject: What is audited.
        plan: What is asked.
        judges: By the id that policies name; ``"*"`` stands for every other.
        compare: Further judges whose error is measured against people where people judged.
        beside: Findings that no probe gives (:mod:`governance.audit.data`); they decide like the others.
        started: Recorded beside the report; no part of its digest.
    """
    responses = list(subject.respond(plan.requests))
    return conclude(
        plan,
        responses,
        judges,
        subject=subject.name,
        subject_digest=subject.digest,
        compare=compare,
        beside=beside,
        started=started,
    )


def conclude(
    plan: AuditPlan,
    responses: Iterable[Response],
    judges: Mapping[str, Judge],
    *,
    subject: str,
    subject_digest: str,
    compare: Sequence[Judge] = (),
    beside: Sequence[Finding] = (),
    started: datetime | None = None,
    finished: datetime | None = None,
) -> AuditReport:
    """The report from answers that are already there; their order does not matter.

    Raises:
        InputError: Two different answers to one request.
    """
    planned = {request.key for request in plan.requests}
    answers, unplanned = _collect(responses, planned)
    findings: list[Finding] = []
    errors: dict[str, JudgeError] = {}
    evidence: list[str] = []
    for cell in plan.cells:
        judge = _prepared(judges.get(cell.judge or ANY_JUDGE) or judges.get(ANY_JUDGE), cell, plan, answers)
        if judge is None:
            rulings: list[Ruling] = []
        else:
            rulings = rule_on(cell, plan, answers, judge)
        findings.append(find(cell, rulings, judge=judge))
        evidence += [_evidence(cell.rule, judge, ruling) for ruling in rulings if judge]
        if judge is not None and judge.grade is EvidenceGrade.A:
            for each in compare:
                other = _prepared(each, cell, plan, answers)
                if other is None:
                    continue
                measured = _measure(rulings, rule_on(cell, plan, answers, other))
                if measured is not None:
                    errors[f"{each.id}/{cell.rule}/{cell.direction.value}"] = measured
    findings += map(open_finding, plan.unevaluated)
    findings += beside
    failures = Counter(
        answer.error or ("no text" if answer.text is None else "an empty answer")
        for answer in answers.values()
        if not answer.is_answer
    )
    if missing := len(planned - answers.keys()):
        failures["no answer"] = missing
    return AuditReport(
        subject=subject,
        subject_digest=subject_digest,
        policy=plan.policy,
        policy_digest=plan.policy_digest,
        plan_digest=plan.digest,
        probe_set=plan.probe_set.name,
        probe_set_digest=plan.probe_set.digest,
        seed=plan.seed,
        personas=tuple(sorted(persona.id for persona in plan.personas)),
        requests=len(planned),
        findings=tuple(findings),
        evidence=digest_set(evidence),
        is_demonstration=plan.is_demonstration,
        judge_errors=errors,
        assumptions=plan.probe_set.assumptions,
        unplanned=unplanned,
        errors=dict(failures),
        started=started,
        finished=finished,
    )


def _prepared(
    judge: Judge | None, cell: Cell, plan: AuditPlan, answers: Mapping[tuple[str, str], Response]
) -> Judge | None:
    """The judge for this cell; one that needs the rule or all answers at once gets them."""
    if not isinstance(judge, CellJudge):
        return judge
    by_id = plan.probe_set.by_id
    asked = [
        (by_id[probe], answers[probe, persona.id])
        for probe in cell.probes
        for persona in plan.personas
        if (probe, persona.id) in answers and answers[probe, persona.id].is_answer
    ]
    question = Question(rule=cell.rule, statement=cell.statement, direction=cell.direction)
    return judge.for_cell(question, asked)


def _collect(
    responses: Iterable[Response], planned: set[tuple[str, str]]
) -> tuple[dict[tuple[str, str], Response], int]:
    answers: dict[tuple[str, str], Response] = {}
    unplanned = 0
    for response in responses:
        if response.key not in planned:
            unplanned += 1
            continue
        before = answers.setdefault(response.key, response)
        if before.digest != response.digest:
            raise InputError(
                "two different answers to one request; an audit takes the first and only",
                file="responses",
                field="probe",
                value=response.probe,
            )
    return answers, unplanned


def _evidence(rule: str, judge: Judge | None, ruling: Ruling) -> str:
    return digest(
        [rule, judge.digest if judge else "", ruling.probe, ruling.persona, ruling.answer, ruling.label.value]
    )


def _measure(people: Sequence[Ruling], judged: Sequence[Ruling]) -> JudgeError | None:
    truth: list[bool] = []
    flags: list[bool | None] = []
    for settled, other in zip(people, judged, strict=True):
        if settled.outcome is Outcome.UNKNOWN:
            continue
        truth.append(settled.outcome is Outcome.VIOLATION)
        flags.append(None if other.outcome is Outcome.UNKNOWN else other.outcome is Outcome.VIOLATION)
    if not any(flag is not None for flag in flags):
        return None
    return judge_error(truth, flags)
