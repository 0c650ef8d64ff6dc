"""One audit from plan to report: ask, judge, find. The only place where the parts meet.

It is pure but for the subject it is given: what answers, and how (stored completions, a model, an
endpoint), is behind the :class:`~governance.audit.responses.Subject` Protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from governance.audit.judge_error import JudgeError, judge_error
from governance.audit.judges import CellJudge, Judge, Outcome, Question
from governance.audit.manner import Manner
from governance.audit.order import OrderEffect, order_effect
from governance.audit.persona_findings import persona_report
from governance.audit.personas import KEPT
from governance.audit.plan import AuditPlan, Cell, Unevaluated
from governance.audit.report import AuditReport
from governance.audit.responses import Request, Response, Subject, digest_answers
from governance.audit.verdicts import Finding, Ruling, find, open_finding, rule_on, rule_requests
from governance.digest import digest, digest_set
from governance.errors import InputError
from governance.tiers import BOUNDS_RULES, PEOPLE_PREFIX, Direction, EvidenceGrade, Tier

__all__ = ["conclude", "judge_of", "prepared", "run_audit"]

ANY_JUDGE = "*"


def run_audit(
    subject: Subject,
    plan: AuditPlan,
    judges: Mapping[str, Judge],
    *,
    compare: Sequence[Judge] = (),
    beside: Sequence[Finding] = (),
    alignment: Mapping[str, Any] | None = None,
    started: datetime | None = None,
) -> AuditReport:
    """Put every request of the plan to the subject and conclude.

    Args:
        subject: What is audited.
        plan: What is asked.
        judges: By the id that policies name; ``"*"`` stands for every other.
        compare: Further judges whose error is measured against people where people judged.
        beside: Findings that no probe gives (:mod:`governance.audit.data`, :mod:`governance.audit.strata`);
            they decide like the others.
        alignment: The table behind findings about strata.
        started: Recorded beside the report; no part of its digest.
    """
    responses = list(subject.respond(plan.requests))
    if getattr(subject, "is_scripted", False):
        beside = (*beside, _no_model(subject.name))
    return conclude(
        plan,
        responses,
        judges,
        subject=subject.name,
        subject_digest=subject.digest,
        compare=compare,
        beside=beside,
        alignment=alignment,
        started=started,
        sampling=getattr(subject, "sampling", None),
        accounts=accounts.as_json() if (accounts := getattr(subject, "accounts", None)) else None,
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
    alignment: Mapping[str, Any] | None = None,
    started: datetime | None = None,
    finished: datetime | None = None,
    sampling: Mapping[str, Any] | None = None,
    accounts: Mapping[str, Any] | None = None,
) -> AuditReport:
    """The report from answers that are already there; their order does not matter.

    Raises:
        InputError: Two different answers to one request.
    """
    planned = {request.key for request in plan.requests}
    answers, unplanned = _collect(responses, planned)
    judged = _Judged(plan=plan, answers=answers, judges=judges, compare=compare)
    for cell in plan.cells:
        judged.add(cell)
    manner = _prepared_for(judges.get(_MANNER.id, _MANNER), _BOUNDS, plan.bounds, answers)
    tried = rule_requests(plan.bounds, answers, manner)
    evidence = [*judged.evidence, *(_evidence(KEPT, manner, ruling) for ruling in tried)]
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
        findings=(*judged.findings, *map(open_finding, plan.unevaluated), *beside),
        evidence=digest_set(evidence),
        answers=digest_answers(answers.values()),
        is_demonstration=plan.is_demonstration,
        judge_errors=judged.errors,
        assumptions=plan.probe_set.assumptions,
        unplanned=unplanned,
        errors=_failures(answers, planned),
        personas_found=persona_report(plan, judged.ruled, tried),
        order_effects=judged.effects,
        doubts=judged.doubts,
        sampling=sampling,
        accounts=accounts,
        alignment=alignment,
        started=started,
        finished=finished,
    )


@dataclass(slots=True, kw_only=True)
class _Judged:
    """What judging the cells of a plan, one after the other, comes to."""

    plan: AuditPlan
    answers: Mapping[tuple[str, str], Response]
    judges: Mapping[str, Judge]
    compare: Sequence[Judge]
    places: Mapping[tuple[str, str], int] = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    errors: dict[str, JudgeError] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)
    ruled: list[tuple[Cell, list[Ruling]]] = field(default_factory=list)
    effects: dict[str, OrderEffect] = field(default_factory=dict)
    doubts: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = {request.key: place for place, request in enumerate(self.plan.requests)}

    def add(self, cell: Cell) -> None:
        """Judge one cell."""
        judge = prepared(judge_of(cell, self.judges), cell, self.plan, self.answers)
        rulings: list[Ruling] = []
        if judge is not None:
            rulings = _sampled(judge, cell, rule_on(cell, self.plan, self.answers, judge))
        self.findings.append(find(cell, rulings, judge=judge))
        name = f"{cell.rule}/{cell.direction.value}"
        if cell.rule not in BOUNDS_RULES:
            self.ruled.append((cell, rulings))
            if effect := order_effect(rulings, self.places):
                self.effects[name] = effect
        if said := getattr(judge, "doubts", None):
            self.doubts[f"{judge.id if judge else ''}/{name}"] = dict(said)
        self.evidence += [_evidence(cell.rule, judge, ruling) for ruling in rulings if judge]
        if judge is not None and judge.grade is EvidenceGrade.A:
            self._measure_others(cell, name, rulings)

    def _measure_others(self, cell: Cell, name: str, rulings: Sequence[Ruling]) -> None:
        """Measure other judges against people's rulings, on the same answers."""
        kept = {(ruling.probe, ruling.persona) for ruling in rulings}
        for each in self.compare:
            other = prepared(each, cell, self.plan, self.answers)
            if other is None:
                continue
            found = rule_on(cell, self.plan, self.answers, other)
            beside = [ruling for ruling in found if (ruling.probe, ruling.persona) in kept]
            measured = _measure(rulings, beside)
            if measured is not None:
                self.errors[f"{each.id}/{name}"] = measured


def _failures(answers: Mapping[tuple[str, str], Response], planned: set[tuple[str, str]]) -> dict[str, int]:
    """Reason to how many of the planned answers did not come."""
    failures = Counter(
        answer.error or ("no text" if answer.text is None else "an empty answer")
        for answer in answers.values()
        if not answer.is_answer
    )
    if missing := len(planned - answers.keys()):
        failures["no answer"] = missing
    return dict(failures)


def _sampled(judge: Judge, cell: Cell, rulings: list[Ruling]) -> list[Ruling]:
    """Where people labelled a sample drawn beforehand, the sample alone."""
    draw = getattr(judge, "sample", None)
    if draw is None:
        return rulings
    families = draw(cell, [ruling.family for ruling in rulings])
    return [ruling for ruling in rulings if ruling.family in families]


_MANNER: Final = Manner()
_BOUNDS: Final = Question(
    rule=KEPT, statement="Keep the bounds of what may be personalised.", direction=Direction.VIOLATION
)


def judge_of(cell: Cell, judges: Mapping[str, Judge]) -> Judge | None:
    """The judge that the policy names for a cell, or the one for every other; bounds have their own by default."""
    named = judges.get(cell.judge or ANY_JUDGE)
    if named is None and cell.rule in BOUNDS_RULES:
        return _MANNER
    return named or judges.get(ANY_JUDGE)


def _no_model(name: str) -> Finding:
    """What stands in a report about the scripted endpoint, so that it cannot pass for one about a model."""
    return open_finding(
        Unevaluated(
            rule=f"{PEOPLE_PREFIX}model",
            statement="What is audited is a model.",
            owner="the audit itself",
            tier=Tier.TWO,
            risks=(),
            direction=Direction.VIOLATION,
            reason=f"{name} is a script that tests the audit; nothing here is a result about a model",
        )
    )


def prepared(
    judge: Judge | None, cell: Cell, plan: AuditPlan, answers: Mapping[tuple[str, str], Response]
) -> Judge | None:
    """The judge for this cell; one that needs the rule or all answers at once gets them."""
    if judge is None:
        return None
    question = Question(rule=cell.rule, statement=cell.statement, direction=cell.direction)
    return _prepared_for(judge, question, plan.asked(cell), answers)


def _prepared_for(
    judge: Judge,
    question: Question,
    requests: Sequence[Request],
    answers: Mapping[tuple[str, str], Response],
) -> Judge:
    if not isinstance(judge, CellJudge) or not requests:
        return judge
    asked = [
        (request.probe, answers[request.key])
        for request in requests
        if request.key in answers and answers[request.key].is_answer
    ]
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
        if before is not response and before.digest != response.digest:
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
