"""What a subject is asked in one request of an audit, and what came back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from governance.audit.probes import Probe
from governance.digest import digest, digest_set

__all__ = ["NO_PERSONA", "UNASKED", "Persona", "Request", "Response", "Subject", "digest_answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A person's resolved settings under which the model answers; without any, the model as it is.

    Attributes:
        id: Unique within a plan.
        settings: For models that take settings as such.
        prompt: The same as text, for models that are told in a system turn.
    """

    id: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""

    def as_json(self) -> dict[str, Any]:
        """Id, settings, and the system text where there is one."""
        return {"id": self.id, "settings": dict(self.settings)} | (
            {"prompt": self.prompt} if self.prompt else {}
        )


NO_PERSONA = Persona(id="none")
UNASKED: Final = "not asked: the verdict was settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One probe under one persona."""

    probe: Probe
    persona: Persona = NO_PERSONA

    @property
    def key(self) -> tuple[str, str]:
        """Probe id and persona id: unique within a plan."""
        return self.probe.id, self.persona.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back: a text, or the reason why there is none.

    ``earlier`` holds the model's answers before the last one, where a conversation was put to it.
    """

    probe: str
    persona: str = NO_PERSONA.id
    text: str | None = None
    error: str | None = None
    earlier: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Probe id and persona id."""
        return self.probe, self.persona

    @property
    def is_answer(self) -> bool:
        """Whether there is any text: a blank answers nothing, whatever label it carries."""
        return self.text is not None and bool(self.text.strip())

    @property
    def digest(self) -> str:
        """Digest of the text (of the error, where there is no text; of all answers of a conversation)."""
        last = self.text if self.text is not None else {"error": self.error}
        return digest([*self.earlier, last] if self.earlier else last)


def digest_answers(answers: Iterable[Response]) -> str:
    """Order-free digest of who answered what to which probe; what brought no answer is not in it."""
    return digest_set(digest([each.probe, each.persona, each.digest]) for each in answers if each.is_answer)


class Subject(Protocol):
    """What is audited."""

    @property
    def name(self) -> str:
        """For people: ``models:/name/3``, or the file."""
        ...

    @property
    def digest(self) -> str:
        """Digest of what answers: the model version's artifact files, the completions file."""
        ...

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """An answer (or its error) for each request, in any order; a request without one counts as missing."""
        ...
