"""Where a model behind the chat protocol is, how it is asked, and what is put to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from governance.errors import InputError

__all__ = ["Conversation", "Endpoint"]

_LARGEST_WHOLE: Final = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the model is and how it is asked.

    Attributes:
        url: Base address, up to and with ``/v1``.
        model: Name of the model there.
        temperature, top_p, seed, max_tokens: Sampling; sent, recorded, and part of the subject's identity.
        in_flight: Most requests at once; fewer where the server bears less.
        per_second: Rate limit, None for none.
        timeout: Seconds for one attempt.
        attempts: Attempts for one request before its error counts.
        retry_share: Retry budget of a run, as a share of its requests (and at least 50).
        give_up: Failures in a row, without any answer between, after which nothing more is asked.
        patience: Seconds for which one request puts up with being throttled.
        largest: Bytes of an answer that are still read.
        price_in, price_out: Price of a million tokens asked and answered, in a currency of your own.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    max_tokens: int = 512
    in_flight: int = 64
    per_second: float | None = None
    timeout: float = 60.0
    attempts: int = 4
    retry_share: float = 0.5
    give_up: int = 400
    patience: float = 300.0
    largest: int = 1_000_000
    price_in: float = 0.0
    price_out: float = 0.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise InputError("not an address", field="endpoint", value=self.url, expected="http(s)://…/v1")
        if min(self.in_flight, self.attempts, self.give_up) < 1:
            raise InputError("at least one request in flight and one attempt are needed", field="endpoint")
        for name in ("temperature", "top_p", "timeout", "retry_share", "patience", "price_in", "price_out"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(
                    "not a number that can be used",
                    field=name,
                    value=getattr(self, name),
                    expected="0 or more",
                )
        if self.per_second is not None and not 0 < self.per_second < math.inf:
            raise InputError(
                "no rate", field="per_second", value=self.per_second, expected="above 0, or none"
            )
        for name in ("seed", "max_tokens"):
            if abs(getattr(self, name)) > _LARGEST_WHOLE:
                raise InputError(
                    "a number that JSON cannot carry exactly", field=name, value=getattr(self, name),
                    expected=f"at most {_LARGEST_WHOLE}",
                )  # fmt: skip

    @property
    def sampling(self) -> dict[str, Any]:
        """How answers are drawn."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
            "stream": False,
        }

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the answers: never the key, never how fast it is asked."""
        return {"url": self.url.rstrip("/"), "model": self.model, **self.sampling}

    def body(self, messages: Sequence[Mapping[str, str]], **more: Any) -> dict[str, Any]:
        """What is sent."""
        return {"model": self.model, "messages": list(messages), **self.sampling, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is put to a model: messages, in steps; the model answers at the end of each step.

    Attributes:
        steps: Messages of each step; one step for a single question.
        more: Further fields of the body, such as ``response_format``.
    """

    steps: tuple[tuple[Mapping[str, str], ...], ...]
    more: Mapping[str, Any] = field(default_factory=dict)
