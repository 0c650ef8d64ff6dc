"""A folder that ``bounds audit --out`` wrote, opened again: its report, its plan, its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from governance.audit.labels import parse_answers, responses_of
from governance.audit.plan import AuditPlan, make_plan
from governance.audit.report_file import read_report
from governance.audit.responses import NO_PERSONA, Persona, Response, digest_answers
from governance.errors import InputError
from governance.policy.compose import compose
from infra.audit_files import ANSWERS, PERSONAS, PROBES
from infra.given_files import read_text
from infra.policy_files import load_all
from infra.subjects import read_probes

__all__ = ["answers_in", "open_audit", "report_in"]


def report_in(folder: Path) -> Mapping[str, Any]:
    """The folder's ``report.json``.

    Raises:
        InputError: It is not there, is no report, or was changed since.
    """
    file = folder / "report.json"
    return read_report(read_text(file), source=str(file))


def answers_in(folder: Path, report: Mapping[str, Any]) -> dict[tuple[str, str], Response]:
    """The folder's answers, by probe and persona.

    Raises:
        InputError: They were not kept, or are not those that the report judged.
    """
    file = folder / ANSWERS
    if not file.is_file():
        raise InputError(
            "the audit kept no answers", file=str(file), expected="an audit run without --no-examples"
        )
    found = responses_of(parse_answers(read_text(file), source=str(file)), source=str(file))
    judged = report.get("answers")  # reports of earlier versions do not say
    if judged is not None and (now := digest_answers(found)) != judged:
        raise InputError(
            "not the answers that the report judged",
            file=str(file),
            field="answers",
            value=now,
            expected=judged,
        )
    return {response.key: response for response in found}


def open_audit(
    folder: Path, policies: Sequence[str], *, at: datetime
) -> tuple[AuditPlan, dict[tuple[str, str], Response], Mapping[str, Any]]:
    """The plan made anew, the answers and the report.

    Raises:
        InputError: Something is missing, or the plan is not the audited one (another policy, other probes).
    """
    report = report_in(folder)
    answers = answers_in(folder, report)
    kept = folder / PERSONAS
    rows = json.loads(read_text(kept)) if kept.is_file() else [NO_PERSONA.as_json()]
    plan = make_plan(
        compose(load_all(policies), at=at),
        read_probes(folder / PROBES),
        personas=tuple(Persona(**row) for row in rows),
        seed=report["plan"]["seed"],
    )
    if (
        plan.policy_digest != report["policy"]["digest"]
        or plan.probe_set.digest != report["plan"]["probe_set_digest"]
    ):
        raise InputError(
            "the policy or the probes are not those of the audit",
            field="--policy",
            value=plan.policy_digest,
            expected=report["policy"]["digest"],
        )
    return plan, answers, report
