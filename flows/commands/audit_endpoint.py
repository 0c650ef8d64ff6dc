"""``bounds audit --endpoint``: wire a policy, probes, profiles and an endpoint together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from flows.commands.audit_planning import Wanted, plan_of
from governance.audit.curtailment import Curtailment
from governance.audit.recorded import Recorded
from governance.audit.report import AuditReport
from governance.audit.run import run_audit
from governance.errors import InputError
from infra.audit_files import write_report
from infra.chat_endpoint import Endpoint
from infra.endpoints import EndpointSubject
from infra.given_files import read_text
from infra.named_judges import choose_judges

__all__ = ["audit_endpoint"]


def audit_endpoint(
    named: str,
    *,
    wanted: Wanted,
    asking: Mapping[str, Any],
    evidence: Path,
    key_file: Path | None,
    judge_key_file: Path | None,
    judges: Sequence[str],
    retry_errors: bool,
    out: Path | None,
    examples: bool,
    home: Path | None = None,
) -> AuditReport:
    """Ask an endpoint and conclude; judged by patterns (grade C) where nothing else is chosen, which may refuse and never pass Tier One.

    Args:
        named: ``MODEL@URL``.
        wanted: What the plan is to hold.
        asking: Fields of :class:`infra.chat_endpoint.Endpoint`: sampling, pace, prices.
        evidence: File that keeps what came.
        key_file: Key of the endpoint.
        judge_key_file: Key of a judging model's endpoint. Neither key is ever sent to the other.
        judges: As on the command line.
        retry_errors: Ask again what an earlier run could not get.
        out: Folder for the report.
        examples: Whether violating answers stand in it.
        home: Data folder that registers the attempt before its first question; None: nothing does.

    Raises:
        InputError: The address, the probes or the policy are missing or cannot be used.
    """
    model, _, url = named.partition("@")
    if not model or not url:
        raise InputError(
            "not MODEL@URL", field="--endpoint", value=named, expected="llama@http://127.0.0.1:8000/v1"
        )
    plan = plan_of(wanted)
    chosen = choose_judges(judges, evidence=evidence, key=_key(judge_key_file))
    with _Progress() as progress:
        subject = EndpointSubject(
            Endpoint(url=url, model=model, key=_key(key_file), **asking),
            evidence=evidence,
            progress=progress.update,
            retry_errors=retry_errors,
        )
        curtailment = Curtailment(plan, chosen)
        if curtailment.is_any:
            subject.curtail(curtailment)
        asked = Recorded(subject, None, None)
        if home is None:
            report = run_audit(asked, plan, chosen, started=datetime.now(UTC))
        else:
            from flows.audit_attempt import audit_on_record

            report, asked = audit_on_record(home, subject, plan, chosen, model=model)
    if out is not None:
        responses = asked.answers if examples and not subject.accounts.unasked else ()
        write_report(out, report, plan=plan, responses=responses, examples=examples)
    return report


def _key(file: Path | None) -> str | None:
    return read_text(file).strip() if file else None


class _Progress:
    """A bar on standard error, so that standard output stays the report's."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("asking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("asking", total=None)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, done: int, wanted: int) -> None:
        """Answers there, answers wanted."""
        self._bar.update(self._task, completed=done, total=wanted)
