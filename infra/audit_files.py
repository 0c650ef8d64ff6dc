"""An audit's report as files: JSON for programs, Markdown and one self-contained HTML page for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from governance.audit.markdown import as_markdown
from governance.audit.page import as_page
from governance.audit.plan import AuditPlan
from governance.audit.report import AuditReport
from governance.audit.responses import Response
from governance.errors import OutsideError

__all__ = ["report_files", "write_report"]


def report_files(
    report: AuditReport,
    *,
    plan: AuditPlan | None = None,
    responses: Iterable[Response] = (),
    examples: bool = False,
) -> dict[str, bytes]:
    """``report.json``, ``report.md`` and ``report.html``; examples need the plan and the responses.

    ``accounts.json`` stands beside them where asking cost something; it differs between runs of one audit.
    """
    prompts: dict[str, str] = {}
    answers: dict[tuple[str, str], str] = {}
    if examples and plan is not None:
        prompts = {probe.id: probe.prompt for probe in plan.probe_set.probes}
        answers = {response.key: response.text for response in responses if response.text is not None}
    document = json.dumps(report.as_json(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    files = {
        "report.json": document.encode(),
        "report.md": as_markdown(report).encode(),
        "report.html": as_page(report, prompts=prompts, answers=answers).encode(),
    }
    if report.accounts is not None:
        files["accounts.json"] = (json.dumps(report.accounts, indent=2, sort_keys=True) + "\n").encode()
    return files


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
        OutsideError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in report_files(report, plan=plan, responses=responses, examples=examples).items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise OutsideError(f"{folder}: the report cannot be written: {error.strerror}") from error
    return folder
