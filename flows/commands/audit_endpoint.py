"""``bounds audit --endpoint``: wire a policy, probes, profiles and an endpoint together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from flows.commands.audit_judges import choose_judges
from governance.audit.plan import make_plan
from governance.audit.report import AuditReport
from governance.audit.responses import NO_PERSONA, Persona
from governance.audit.run import run_audit
from governance.errors import InputError
from governance.policy.compose import compose
from governance.policy.model import EffectivePolicy
from governance.policy.resolve import resolve
from infra.audit_files import write_report
from infra.endpoints import Endpoint, EndpointSubject
from infra.policy_files import load_all, load_pack
from infra.subjects import read_probes, read_text

__all__ = ["audit_endpoint"]


def audit_endpoint(
    named: str,
    *,
    evidence: Path,
    key_file: Path | None,
    probes: Path | None,
    policies: Sequence[str],
    judges: Sequence[str],
    profiles: Sequence[str],
    seed: int,
    out: Path | None,
    examples: bool,
) -> AuditReport:
    """Ask an endpoint and conclude; judged by patterns (grade C) where nothing else is chosen, which may refuse and never pass Tier One.

    Raises:
        InputError: The address, the probes or the policy are missing or cannot be used.
    """
    model, _, url = named.partition("@")
    if not model or not url:
        raise InputError(
            "not MODEL@URL", field="--endpoint", value=named, expected="llama@http://127.0.0.1:8000/v1"
        )
    if probes is None:
        raise InputError("an endpoint needs probes", field="--probes", expected="a probe file")
    if not policies:
        raise InputError("an endpoint needs a policy", field="--policy", expected="a pack, file or folder")
    in_force = compose(load_all(policies), at=datetime.now(UTC))
    plan = make_plan(in_force, read_probes(probes), personas=_personas(in_force, profiles), seed=seed)
    key = read_text(key_file).strip() if key_file else None
    with _Progress() as progress:
        subject = EndpointSubject(
            Endpoint(url=url, model=model, key=key), evidence=evidence, progress=progress.update
        )
        chosen = choose_judges(judges, evidence=evidence, key=key)
        report = run_audit(subject, plan, chosen, started=datetime.now(UTC))
    if out is not None:
        # Answers come from the evidence file; nothing is asked a second time.
        responses = subject.respond(plan.requests) if examples else ()
        write_report(out, report, plan=plan, responses=responses, examples=examples)
    return report


def _personas(policy: EffectivePolicy, profiles: Sequence[str]) -> tuple[Persona, ...]:
    personas = [NO_PERSONA]
    for name in profiles:
        for document in load_pack(name):
            answer = resolve(policy, document)
            personas.append(
                Persona(id=document.id, settings=dict(answer.settings), prompt=answer.as_prompt())
            )
    return tuple(personas)


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
