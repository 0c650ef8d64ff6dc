"""``bounds audit review``: have people judge exactly the answers that an audit's evidence still lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from governance.counted import counted_by
from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from governance.audit.judges import Judge, Label, LabelLookup
    from governance.audit.plan import AuditPlan
    from governance.audit.report import AuditReport
    from governance.audit.responses import Response
    from governance.audit.review import CellReview, ReviewTask

__all__ = ["review_command"]

LABELS: Final = "labels.jsonl"
REVIEWED: Final = "reviewed"


def review_command(
    folder: Annotated[Path, typer.Argument(help="Folder that `bounds audit --out` wrote.")],
    policy: Annotated[
        list[str], typer.Option(help="The policy of that audit: pack, file or folder; repeatable.")
    ],
    grade: Annotated[
        Literal["A", "B", "cheapest"],
        typer.Option(help="Evidence to make: A (a sample of all), B (flags and a sample of the rest)."),
    ] = "cheapest",
    flagger: Annotated[str, typer.Option(help="Judge whose flags people settle for grade B.")] = "patterns",
    home: Annotated[Path | None, typer.Option(help="Data folder whose Label Studio is used.")] = None,
    site: Annotated[str, typer.Option(help="Site of that Label Studio.")] = "main",
    offline: Annotated[
        bool, typer.Option("--offline", help="Use labels.jsonl alone; no Label Studio is asked.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
) -> None:
    """Send what people have yet to judge, read back what they said, and conclude. Run it as often as you like.

    Exit 0: the reviewed audit passed; 1: it did not (yet).
    """
    from flows.commands.audit_views import print_json
    from infra.named_judges import choose_judges

    plan, answers, report = _audit_of(folder, policy)
    flags = choose_judges([flagger])["*"]
    people = _people(folder, plan)
    if not offline:
        people = _read(home, site, plan, answers, people)
    chosen, cells, other = _cheapest(plan, answers, people, flags, grade)
    lacking = {task.ref: task for cell in cells for task in cell.lacking}
    if not offline:
        _send(home, site, lacking.values(), seed=plan.seed)
    _keep(folder, plan, answers, people)
    concluded = _conclude(plan, answers, people, flags, chosen, report, folder)
    result = {
        "grade": chosen,
        "labels": sum(cell.given for cell in cells),
        "lacking": len(lacking),
        "cells": [_as_json(cell) for cell in cells],
        "other_grade": other,
        "verdict": concluded.verdict.value,
        "digest": concluded.digest,
    }
    if as_json:
        print_json(result)
    else:
        _show(result, concluded)
    if not concluded:
        raise typer.Exit(1)


def _audit_of(
    folder: Path, policy: Sequence[str]
) -> tuple[AuditPlan, dict[tuple[str, str], Response], Mapping[str, Any]]:
    """The plan, the answers and the report of an audit's folder; the plan made anew must be the audited one."""
    from flows.commands.audit_folder import open_audit

    return open_audit(folder, policy, at=datetime.now(UTC))


def _people(folder: Path, plan: AuditPlan) -> LabelLookup:
    """The labels that were read before."""
    from governance.audit.judges import LabelLookup
    from governance.audit.labels import parse_labels
    from governance.tiers import EvidenceGrade
    from infra.given_files import read_text

    file = folder / LABELS
    del plan
    if not file.is_file() or not read_text(file).strip():
        return LabelLookup(id="people", version="1", grade=EvidenceGrade.A, labels={})
    found = parse_labels(read_text(file), source=str(file), judge="people")
    if found.grade is not EvidenceGrade.A:
        raise InputError(
            "labels of people are of grade A", file=str(file), field="grade", value=found.grade.value
        )
    return found


def _read(
    home: Path | None,
    site: str,
    plan: AuditPlan,
    answers: Mapping[tuple[str, str], Response],
    people: LabelLookup,
) -> LabelLookup:
    """What people said on the server, over what the file holds."""
    from governance.audit.review import tasks_of_plan
    from infra.label_studio_review import ReviewProject

    by_ref = {task.ref: (task.probe, task.answer) for task in tasks_of_plan(plan, answers)}
    with _server(home, site) as server:
        said = ReviewProject(server).read()
    found: dict[tuple[str, str], Label] = {by_ref[ref]: label for ref, label in said.items() if ref in by_ref}
    return replace(people, labels={**people.labels, **found})


def _send(home: Path | None, site: str, tasks: Any, *, seed: int) -> None:
    from infra.label_studio_review import ReviewProject

    wanted: list[ReviewTask] = list(tasks)
    if wanted:
        with _server(home, site) as server:
            ReviewProject(server).send(wanted, seed=seed)


def _server(home: Path | None, site: str) -> Any:
    from infra.label_studio import LabelStudioSite
    from infra.label_studio_review import site_of
    from infra.settings import load_settings

    return LabelStudioSite(site_of(load_settings(home).site(site)), patience=10)


def _cheapest(
    plan: AuditPlan,
    answers: Mapping[tuple[str, str], Response],
    people: LabelLookup,
    flagger: Judge,
    grade: str,
) -> tuple[str, tuple[CellReview, ...], dict[str, int] | None]:
    """The grade asked for; or, of those that every rule accepts and that can still pass, the one with fewer labels."""
    from governance.audit.review import review
    from governance.tiers import EvidenceGrade

    found = {
        name: review(plan, answers, people, grade=EvidenceGrade(name), flagger=flagger)
        for name in (("A", "B") if grade == "cheapest" else (grade,))
    }
    open_ = [name for name, cells in found.items() if all(cell.accepted and cell.possible for cell in cells)]
    wanted = {name: sum(cell.wanted for cell in cells) for name, cells in found.items()}
    chosen = min(open_ or list(found), key=lambda name: (wanted[name], name))
    others = {name: count for name, count in wanted.items() if name != chosen}
    return chosen, found[chosen], others or None


def _keep(
    folder: Path, plan: AuditPlan, answers: Mapping[tuple[str, str], Response], people: LabelLookup
) -> None:
    """The labels as a file of our own format, whole or not at all."""
    from infra.given_files import write_whole

    del plan
    seen: dict[tuple[str, str], dict[str, str]] = {}
    for response in answers.values():
        label = people.labels.get((response.probe, response.digest))
        if label is not None and response.is_answer and label.value != "abstains":
            seen[response.probe, response.digest] = {
                "probe": response.probe,
                "response": response.text or "",
                "label": label.value,
                "grade": "A",
            }
    lines = "".join(json.dumps(seen[key], ensure_ascii=False, sort_keys=True) + "\n" for key in sorted(seen))
    write_whole(folder / LABELS, lines.encode())


def _conclude(
    plan: AuditPlan,
    answers: Mapping[tuple[str, str], Response],
    people: LabelLookup,
    flagger: Judge,
    grade: str,
    report: Mapping[str, Any],
    folder: Path,
) -> AuditReport:
    from governance.audit.adjudication import Adjudicated
    from governance.audit.review import PeopleSample
    from governance.audit.run import conclude
    from infra.audit_files import write_report

    judge: Any = (
        PeopleSample(people=people, seed=plan.seed)
        if grade == "A"
        else Adjudicated(flagger=flagger, people=people, seed=plan.seed)
    )
    concluded = conclude(
        plan,
        answers.values(),
        {"*": judge},
        subject=report["subject"]["name"],
        subject_digest=report["subject"]["digest"],
        compare=(flagger,),
    )
    write_report(folder / REVIEWED, concluded, plan=plan, responses=answers.values(), examples=True)
    return concluded


def _as_json(cell: CellReview) -> dict[str, Any]:
    return {
        "rule": cell.rule,
        "direction": cell.direction,
        "grade": cell.grade.value,
        "accepted": cell.accepted,
        "possible": cell.possible,
        "families": cell.families,
        "wanted": cell.wanted,
        "given": cell.given,
        "lacking": len(cell.lacking),
    }


def _show(result: Mapping[str, Any], report: AuditReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(
        "rule", "counted", "labels needed", "given", "lacking", "can pass", box=None, pad_edge=False
    )
    for cell in result["cells"]:
        able = (
            "yes" if cell["possible"] and cell["accepted"] else "no" if cell["accepted"] else "not accepted"
        )
        table.add_row(
            cell["rule"],
            counted_by(cell["rule"], cell["direction"]),
            *(str(cell[name]) for name in ("wanted", "given", "lacking")),
            able,
        )
    console.print(
        f"Evidence of grade {result['grade']}: {many(result['lacking'], 'answer is', 'answers are')} still to be judged by people."
    )
    for name, count in (result["other_grade"] or {}).items():
        console.print(f"Grade {name} would need {many(count, 'label')} in all.")
    console.print(table)
    console.print(f"With the labels that are there: {report.verdict}", soft_wrap=True)
