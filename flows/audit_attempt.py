"""One attempt at an audit: registered before it asks, its answers kept, asked again only where it was cut off.

The verdict of an attempt is that of its probes. What the data and the people say is judged anew each time, from
what is there now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from flows.wiring import Platform
from governance.audit.attempts import Attempt
from governance.audit.plan import AuditPlan
from governance.audit.report import AuditReport
from governance.audit.responses import Request, Response, Subject
from governance.audit.statistics import Verdict, combine
from governance.policy.model import EffectivePolicy
from infra import attempts
from infra.registry import VersionInfo

__all__ = ["Recorded", "attempt_of", "finish", "recorded"]

_ANSWERS: Final = "answers.jsonl"


def attempt_of(plan: AuditPlan, info: VersionInfo, artifact: str, now: datetime) -> Attempt:
    """The attempt that a plan makes of a version."""
    return Attempt(
        model=info.model,
        version=info.version,
        artifact=artifact,
        policy=plan.policy_digest,
        probe_set=plan.probe_set.digest,
        plan=plan.digest,
        probes=frozenset(request.probe.sha256 for request in plan.requests),
        alpha=max((round(1 - cell.confidence, 12) for cell in plan.cells), default=0.0),
        anytime=frozenset(f"{cell.rule}/{cell.direction.value}" for cell in plan.cells if cell.anytime),
        at=now,
    )


class Recorded:
    """A subject whose answers are kept: those of a finished attempt stand, and nothing is asked again.

    Args:
        subject: What is asked where there are no answers yet.
        kept: Answers of the finished attempt, None where there is none.
    """

    def __init__(self, subject: Subject, kept: Iterable[Response] | None) -> None:
        self.name = subject.name
        self.digest = subject.digest
        self._subject = subject
        self._kept = None if kept is None else tuple(kept)
        self.answers: tuple[Response, ...] = self._kept or ()

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """The kept answers, or those that the subject gives now."""
        if self._kept is None:
            self.answers = tuple(self._subject.respond(requests))
        return iter(self.answers)


def recorded(platform: Platform, policy: EffectivePolicy, attempt: Attempt, subject: Subject) -> Recorded:
    """Register the attempt and give the subject to ask.

    Raises:
        RefusedError: The policy allows no such attempt.
    """
    attempts.register(platform.db, attempt, budget=policy.promotion.error_budget)
    tree = attempts.answers_of(platform.db, attempt)
    return Recorded(subject, None if tree is None else _read(platform, tree))


def finish(platform: Platform, attempt: Attempt, subject: Recorded, report: AuditReport) -> None:
    """Keep the answers and how the attempt ended; doing it twice changes nothing."""
    lines = [
        json.dumps(
            {"probe": each.probe, "persona": each.persona, "text": each.text, "error": each.error},
            ensure_ascii=False,
            sort_keys=True,
        )
        for each in sorted(subject.answers, key=lambda each: each.key)
    ]
    tree = platform.store.put_tree("audits", {_ANSWERS: ("\n".join(lines) + "\n").encode()})
    asked = [finding for finding in report.findings if finding.planned is not None]
    names: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for finding in asked:
        names[finding.verdict].append(f"{finding.rule}/{finding.direction.value}")
    outcome = {
        "verdict": combine([finding.verdict for finding in asked]).value,
        "undecided": sorted(names[Verdict.UNDECIDED]),
        "broken": sorted(names[Verdict.FAIL]),
    }
    attempts.finish(platform.db, attempt, outcome=outcome, tree=str(tree))


def _read(platform: Platform, tree: str) -> list[Response]:
    text = platform.store.get_file("audits", tree, _ANSWERS).decode()
    return [Response(**json.loads(line)) for line in text.split("\n") if line]
