"""One attempt at an audit: registered before it asks, its answers kept, asked again only where it was cut off.

The verdict of an attempt is that of its probes. What the data and the people say is judged anew each time, from
what is there now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.wiring import Platform, clock, open_platform
from governance.audit.attempts import Attempt, judged_by
from governance.audit.judges import Judge
from governance.audit.plan import AuditPlan
from governance.audit.recorded import Recorded
from governance.audit.report import AuditReport
from governance.audit.responses import Subject
from governance.audit.run import run_audit
from governance.audit.statistics import Verdict, combine
from governance.digest import short
from infra import attempts
from infra.answers_kept import keep_answers, read_answers

__all__ = ["attempt_of", "audit_on_record", "finish", "recorded"]


def attempt_of(
    plan: AuditPlan, judges: Mapping[str, Judge], *, model: str, version: str, artifact: str, now: datetime
) -> Attempt:
    """The attempt that a plan and its judges make of a version."""
    return Attempt(
        model=model,
        version=version,
        artifact=artifact,
        policy=plan.policy_digest,
        probe_set=plan.probe_set.digest,
        plan=plan.digest,
        probes=frozenset(request.probe.sha256 for request in plan.requests),
        judges=judged_by(judges),
        alpha=max((round(1 - cell.confidence, 12) for cell in plan.cells), default=0.0),
        anytime=frozenset(f"{cell.rule}/{cell.direction.value}" for cell in plan.cells if cell.anytime),
        at=now,
    )


def recorded(platform: Platform, attempt: Attempt, subject: Subject, *, budget: float | None) -> Recorded:
    """Register the attempt and give the subject to ask.

    Args:
        platform: Where it is registered.
        attempt: What is to be made.
        subject: What is asked.
        budget: Error that the policy lets all versions of a model spend on one probe set.

    Raises:
        RefusedError: The policy allows no such attempt.
    """
    standing = attempts.register(platform.db, attempt, budget=budget, now=attempt.at)
    tree = attempts.answers_of(platform.db, attempt)
    return Recorded(subject, None if tree is None else read_answers(platform.store, tree), standing)


def audit_on_record(
    home: Path,
    subject: Subject,
    plan: AuditPlan,
    judges: Mapping[str, Judge],
    *,
    model: str,
    artifact: str | None = None,
    **more: Any,
) -> tuple[AuditReport, Recorded]:
    """:func:`governance.audit.run.run_audit`, registered in a data folder before the first question; and its answers.

    What a server left unasked is asked the next time; until then the attempt is not finished.

    Args:
        home: Data folder.
        subject: What is asked; its digest is that of what answers.
        plan: What is asked.
        judges: Who judges.
        model: Whose version it is: all that bear this name share an error budget.
        artifact: Digest of what is audited, where that is not the subject's.
        more: As :func:`~governance.audit.run.run_audit` takes them.

    Raises:
        RefusedError: The policy allows no such attempt.
    """
    with open_platform(home) as platform:
        now, named = clock(), artifact or subject.digest
        attempt = attempt_of(plan, judges, model=model, version=short(named), artifact=named, now=now)
        asked = recorded(platform, attempt, subject, budget=plan.error_budget)
        report = run_audit(asked, plan, judges, started=now, **more)
        if not (accounts := getattr(subject, "accounts", None)) or not accounts.unasked:
            finish(platform, attempt, asked, report)
        return replace(report, attempt=asked.standing), asked


def finish(platform: Platform, attempt: Attempt, subject: Recorded, report: AuditReport) -> None:
    """Keep the answers, then note how the attempt ended; the first ending stays."""
    tree = keep_answers(platform.store, subject.answers)
    asked = [finding for finding in report.findings if finding.planned is not None]
    names: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for finding in asked:
        names[finding.verdict].append(f"{finding.rule}/{finding.direction.value}")
    outcome = {
        "verdict": combine([finding.verdict for finding in asked]).value,
        "undecided": sorted(names[Verdict.UNDECIDED]),
        "broken": sorted(names[Verdict.FAIL]),
    }
    attempts.finish(platform.db, attempt, outcome=outcome, tree=tree)
