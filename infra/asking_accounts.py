"""What asking a model cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from infra.chat_endpoint import Endpoint
from infra.evidence import EvidenceRow

__all__ = ["Accounts"]


@dataclass(slots=True)
class Accounts:
    """What a run cost: tokens and errors counted from rows, the rest from this process."""

    asked: int = 0
    resumed: int = 0
    retried: int = 0
    throttled: int = 0
    unasked: int = 0
    not_needed: int = 0
    cut_short: int = 0
    budget_spent: bool = False
    gave_up: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)

    def count(self, rows: Iterable[EvidenceRow], endpoint: Endpoint) -> None:
        """Count what rows say."""
        for row in rows:
            self.prompt_tokens += row.prompt_tokens
            self.completion_tokens += row.completion_tokens
            self.cut_short += row.finish == "length"
            if row.error is not None:
                self.errors[row.error] += 1
            elif row.served:
                self.served[row.served] += 1
        self.cost = (
            self.prompt_tokens * endpoint.price_in + self.completion_tokens * endpoint.price_out
        ) / 1e6

    def add(self, other: Accounts) -> None:
        """Count what another run cost as well."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, (mine or theirs) if isinstance(mine, bool) else mine + theirs)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            name: dict(sorted(value.items())) if isinstance(value := getattr(self, name), Counter) else value
            for name in self.__slots__
        }
