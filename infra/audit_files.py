"""An audit's report as files: JSON for programs, Markdown and one self-contained HTML page for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from governance.audit.figures import as_file, figures
from governance.audit.markdown import as_markdown
from governance.audit.page import as_page
from governance.audit.plan import AuditPlan
from governance.audit.report import AuditReport
from governance.audit.responses import Response
from infra.given_files import cannot_be_written, write_whole

__all__ = ["ANSWERS", "PERSONAS", "PROBES", "report_files", "write_report"]

PROBES: Final = "probes.jsonl"
ANSWERS: Final = "answers.jsonl"
PERSONAS: Final = "personas.json"


def report_files(
    report: AuditReport,
    *,
    plan: AuditPlan | None = None,
    responses: Iterable[Response] = (),
    examples: bool = False,
) -> dict[str, bytes]:
    """``report.json``, ``report.md``, ``report.html`` and the figures as SVG; examples need the plan and the responses.

    With examples the probes, answers and personas stand beside, so that one can be shown or judged again.

    ``accounts.json`` stands beside them where asking cost something; it differs between runs of one audit.
    """
    given = tuple(responses)
    prompts: dict[str, str] = {}
    answers: dict[tuple[str, str], str] = {}
    if examples and plan is not None:
        prompts = {probe.id: probe.prompt for probe in plan.probe_set.probes}
        answers = {response.key: response.text for response in given if response.text is not None}
    document = json.dumps(report.as_json(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    files = {
        "report.json": document.encode(),
        "report.md": as_markdown(report).encode(),
        "report.html": as_page(report, prompts=prompts, answers=answers).encode(),
    }
    files |= {name: as_file(svg) for name, svg in figures(report).items()}
    if examples and plan is not None:
        files |= _kept(plan, given)
    if report.accounts is not None:
        files["accounts.json"] = (json.dumps(report.accounts, indent=2, sort_keys=True) + "\n").encode()
    return files


def _kept(plan: AuditPlan, responses: Iterable[Response]) -> dict[str, bytes]:
    """What was asked and what came, in the formats that ``bounds audit --completions --probes`` reads."""
    probes = [probe.as_json() for probe in plan.probe_set.probes]
    planned = {request.key for request in plan.requests}
    answers = [
        {"probe": each.probe, "persona": each.persona, "response": each.text, "sha256": each.digest}
        | ({"earlier": list(each.earlier)} if each.earlier else {})
        for each in {each.key: each for each in responses}.values()
        if each.is_answer and each.key in planned
    ]
    answers.sort(key=lambda row: (row["probe"] or "", row["persona"] or ""))
    personas = [persona.as_json() for persona in plan.personas]
    return {
        PROBES: _lines(probes),
        ANSWERS: _lines(answers),
        PERSONAS: (json.dumps(personas, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode(),
    }


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows).encode()


def write_report(
    folder: Path,
    report: AuditReport,
    *,
    plan: AuditPlan | None = None,
    responses: Iterable[Response] = (),
    examples: bool = False,
) -> Path:
    """Write :func:`report_files` into ``folder`` (made if needed).

    Raises:
        InputError: The folder cannot be made or written to; another would do.
        OutsideError: The disk did not take it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in report_files(report, plan=plan, responses=responses, examples=examples).items():
            write_whole(folder / name, data)
    except OSError as error:
        raise cannot_be_written(folder, error) from error
    return folder
