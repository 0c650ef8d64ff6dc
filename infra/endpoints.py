"""A model behind an OpenAI-compatible endpoint as the subject of an audit.

Asking is :mod:`infra.asking`; this module says what is asked for a probe under a persona, and what came back.
Where two user turns of a probe follow each other, the model's own answer stands between them: that is how a
conversation is put to it. The model named ``scripted`` is this project's own script (:mod:`infra.scripted`):
what it answers tests the harness and says nothing about any model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from governance.audit.responses import UNASKED, Request, Response
from governance.digest import digest
from infra.asking import Asker
from infra.asking_accounts import Accounts
from infra.chat_endpoint import Conversation, Endpoint
from infra.evidence import Evidence, EvidenceRow

if TYPE_CHECKING:  # its arithmetic would be loaded before the first question
    from governance.audit.curtailment import Curtailment

__all__ = ["SCRIPTED", "EndpointSubject", "conversation"]

SCRIPTED: Final = "scripted"


def conversation(request: Request) -> Conversation:
    """The messages of a request: the persona's system text, then the probe's turns, in steps."""
    steps: list[tuple[dict[str, str], ...]] = []
    step: list[dict[str, str]] = []
    if request.persona.prompt:
        step.append({"role": "system", "content": request.persona.prompt})
    turns = request.probe.turns
    for turn, after in zip(turns, (*turns[1:], None), strict=True):
        step.append({"role": turn.role, "content": turn.text})
        if turn.role == "user" and (after is None or after.role == "user"):
            steps.append(tuple(step))
            step = []
    return Conversation(steps=tuple(steps))


class EndpointSubject:
    """A model behind an endpoint, with its evidence file.

    Args:
        endpoint: Where and how.
        evidence: File that keeps the answers; the same file resumes a run.
        progress: Called with (answers there, answers wanted) as they come.
        retry_errors: Ask again what an earlier run could not get.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        evidence: Path,
        progress: Callable[[int, int], None] | None = None,
        retry_errors: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.name = f"{endpoint.model} at {endpoint.url}"
        self.digest = digest(endpoint.identity)
        self.accounts = Accounts()
        self._evidence = evidence
        self._progress = progress
        self._retry_errors = retry_errors
        self._curtailment: Curtailment | None = None

    @property
    def sampling(self) -> dict[str, Any]:
        """How answers are drawn, for the report."""
        return self.endpoint.sampling

    @property
    def is_scripted(self) -> bool:
        """Whether it is the project's script and no model."""
        return self.endpoint.model == SCRIPTED

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """An answer for each request; those already kept are not asked again."""
        asked = list(requests)
        gate = None if self._curtailment is None else _Needed(asked, self._curtailment)
        with Evidence(self._evidence) as evidence:
            if self._retry_errors:
                evidence.forget_errors()
            asker = Asker(self.endpoint, self.digest, evidence, progress=self._progress)
            self.accounts = asker.accounts
            found = asker.ask([conversation(request) for request in asked], gate=gate)
        for index, (request, rows) in enumerate(zip(asked, found, strict=True)):
            if rows:
                yield _response(request, rows)
            elif gate is not None and index in gate.left_out:
                yield Response(probe=request.probe.id, persona=request.persona.id, error=UNASKED)

    def curtail(self, curtailment: Curtailment) -> None:
        """Stop asking what is not needed any more; with many in flight, those are still answered."""
        self._curtailment = curtailment


def _response(request: Request, rows: Sequence[EvidenceRow]) -> Response:
    return Response(
        probe=request.probe.id,
        persona=request.persona.id,
        text=rows[-1].text,
        error=rows[-1].error,
        earlier=tuple(row.text or "" for row in rows[:-1]),
    )


class _Needed:
    """A plan's curtailment as the engine asks it: by place."""

    def __init__(self, asked: Sequence[Request], curtailment: Curtailment) -> None:
        self._asked = asked
        self._curtailment = curtailment
        self.left_out: set[int] = set()

    def needs(self, index: int) -> bool:
        """Whether this request is still needed."""
        if needed := self._curtailment.needs(self._asked[index]):
            return needed
        self.left_out.add(index)
        return False

    def see(self, index: int, rows: Sequence[EvidenceRow]) -> None:
        """Take its answer into account."""
        self._curtailment.see(self._asked[index], _response(self._asked[index], rows))
