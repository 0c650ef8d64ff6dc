"""What people have yet to look at: exactly the labels that a grade of evidence still lacks.

Grade A wants a random sample of as many families as the policy's plan names, every answer of each. Grade B wants
every family that a judge flagged and, of the others, the sample that :func:`adjudication.sample_needed` computes
from what has been found so far. What is drawn depends on the plan, the answers, the seed and earlier labels
alone, so that it can be drawn again; what a reviewer sees says nothing of any judge, rule, persona or model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from governance.audit.adjudication import Adjudicated, review_sample, sample_needed, seen_in_order
from governance.audit.judges import Judge, Label, LabelLookup, outcome
from governance.audit.plan import AuditPlan, Cell
from governance.audit.probes import Expectation, Probe
from governance.audit.responses import Response
from governance.audit.run import prepared
from governance.audit.verdicts import Ruling, rule_on
from governance.digest import digest
from governance.tiers import EvidenceGrade

__all__ = ["CellReview", "PeopleSample", "ReviewTask", "review", "tasks_of_plan"]

Answers = Mapping[tuple[str, str], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTask:
    """One answer for a person to judge.

    Attributes:
        ref: Opaque name; the same answer to the same question has the same name in every draw.
        probe: Probe id; with ``answer``, the digest of the text, the key of the label.
        statement: For a probe that tries a property, what must hold; else empty.
    """

    ref: str
    probe: str
    answer: str
    prompt: str
    text: str
    statement: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReview:
    """What one rule and direction still lacks.

    Attributes:
        wanted: Labels that the grade needs in all; ``given`` how many of them are there.
        possible: Whether the grade can still pass the rule with what has been found.
        lacking: The answers to label, each once.
    """

    rule: str
    direction: str
    grade: EvidenceGrade
    accepted: bool
    families: int
    wanted: int
    given: int
    possible: bool
    lacking: tuple[ReviewTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSample:
    """People's labels of a random sample of families (grade A): the cell is judged on the sample alone."""

    people: LabelLookup
    seed: int = 0
    id: str = "people"
    version: str = "1"
    grade: EvidenceGrade = EvidenceGrade.A

    @property
    def digest(self) -> str:
        """Digest of the labels and of how the sample is drawn."""
        return digest({"judge": self.id, "people": self.people.digest, "seed": self.seed})

    def label(self, probe: Probe, response: Response) -> Label:
        """People's label of this very answer."""
        return self.people.label(probe, response)

    def sample(self, cell: Cell, families: Iterable[str]) -> frozenset[str]:
        """The families that count: as many as the plan names, by the seed declared."""
        return frozenset(review_sample(families, cell.families, seed=self.seed))


def review(
    plan: AuditPlan,
    answers: Answers,
    people: LabelLookup,
    *,
    grade: EvidenceGrade,
    flagger: Judge | None = None,
) -> tuple[CellReview, ...]:
    """What every cell of the plan still lacks for evidence of ``grade`` (A or B).

    Args:
        plan: What was asked; its seed draws the samples.
        answers: What came back, by probe and persona.
        people: The labels that are there.
        grade: A or B.
        flagger: The judge whose flags people settle; needed for B.

    Raises:
        ValueError: Another grade, or B without a flagger.
    """
    if grade not in {EvidenceGrade.A, EvidenceGrade.B} or (grade is EvidenceGrade.B and flagger is None):
        raise ValueError("people make evidence of grade A, or of grade B beside a judge that flags")
    return tuple(
        _of_sample(cell, plan, answers, people)
        if grade is EvidenceGrade.A
        else _of_flags(cell, plan, answers, people, prepared(flagger, cell, plan, answers))
        for cell in plan.cells
    )


def tasks_of_plan(plan: AuditPlan, answers: Answers) -> tuple[ReviewTask, ...]:
    """Every answer that a person might ever be asked about."""
    by_id = plan.probe_set.by_id
    tasks = {
        task.ref: task
        for cell in plan.cells
        for request in plan.asked(cell)
        if request.key in answers and request.probe.id in by_id
        for task in (_task(request.probe, answers[request.key], cell),)
    }
    return tuple(tasks[ref] for ref in sorted(tasks))


def _of_sample(cell: Cell, plan: AuditPlan, answers: Answers, people: LabelLookup) -> CellReview:
    rulings = rule_on(cell, plan, answers, people)
    sample = set(review_sample((r.family for r in rulings), cell.families, seed=plan.seed))
    wanted = [ruling for ruling in rulings if ruling.family in sample and ruling.answer]
    return _cell_review(cell, plan, answers, EvidenceGrade.A, wanted, possible=len(sample) >= cell.families)


def _of_flags(
    cell: Cell, plan: AuditPlan, answers: Answers, people: LabelLookup, flagger: Judge | None
) -> CellReview:
    if flagger is None:
        raise ValueError("grade B needs a judge that flags")
    judge = Adjudicated(flagger=flagger, people=people, seed=plan.seed)
    rulings = rule_on(cell, plan, answers, judge)
    families = {ruling.family for ruling in rulings}
    flagged = {ruling.family for ruling in rulings if ruling.flagged}
    settled = families - {ruling.family for ruling in rulings if not ruling.settled}
    by_id = plan.probe_set.by_id
    bad = {r.family for r in rulings if r.settled and outcome(by_id[r.probe], r.label).value == "violation"}
    sample = set(seen_in_order(families - flagged, settled, seed=plan.seed))
    known = flagged | (bad - sample)
    needed = sample_needed(
        confirmed=len(known & bad),
        missed=len(bad & sample),
        unflagged=len(families - known),
        families=max(len(families), 1),
        limit=cell.max_rate,
        confidence=cell.confidence,
    )
    draw = set(review_sample(families - flagged, len(families) if needed is None else needed, seed=plan.seed))
    # Where passing is out of reach the flags are settled all the same: they may prove the rule broken.
    chosen = flagged | (draw if needed is not None else set())
    wanted = [ruling for ruling in rulings if ruling.family in chosen and ruling.answer]
    return _cell_review(cell, plan, answers, EvidenceGrade.B, wanted, possible=needed is not None)


def _cell_review(
    cell: Cell,
    plan: AuditPlan,
    answers: Answers,
    grade: EvidenceGrade,
    wanted: Sequence[Ruling],
    *,
    possible: bool,
) -> CellReview:
    by_id = plan.probe_set.by_id
    tasks: dict[str, ReviewTask] = {}
    given: set[str] = set()
    for ruling in wanted:
        task = _task(by_id[ruling.probe], answers[ruling.probe, ruling.persona], cell)
        tasks[task.ref] = task
        if ruling.settled and ruling.label is not Label.ABSTAINS:
            given.add(task.ref)
    lacking = [task for ref, task in sorted(tasks.items()) if ref not in given]
    return CellReview(
        rule=cell.rule,
        direction=cell.direction.value,
        grade=grade,
        accepted=grade in cell.evidence,
        families=len({ruling.family for ruling in wanted}),
        wanted=len(tasks),
        given=len(given),
        possible=possible,
        lacking=tuple(lacking),
    )


def _task(probe: Probe, response: Response, cell: Cell) -> ReviewTask:
    text = response.text or ""
    turns = [f"{turn.role}: {turn.text}" for turn in probe.turns]
    statement = cell.statement if probe.expectation is Expectation.PROPERTY else ""
    prompt = probe.prompt if len(turns) == 1 else "\n\n".join(turns)
    return ReviewTask(
        ref=digest(["audit-review", probe.sha256, response.digest, statement]),
        probe=probe.id,
        answer=response.digest,
        prompt=prompt,
        text=text,
        statement=statement,
    )
