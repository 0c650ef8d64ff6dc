"""One subject asked in parts, on threads, processes or Dask: the same answers, whatever the parts.

A request belongs to a part by its own digest, not by its place, so a plan that grows or is asked again sends each
request to the same part (and to that part's evidence file).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from governance.audit.responses import Request, Response, Subject
from governance.digest import digest
from governance.errors import InputError

__all__ = ["PartitionedSubject", "Runs", "part_of"]


class Runs(Protocol):
    """Anything that runs a function elsewhere: an executor of the standard library, a ``dask.distributed.Client``."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """A future with ``result()``."""
        ...


def part_of(request: Request, parts: int) -> int:
    """The part of a request, from 0."""
    return int(digest(list(request.key)).removeprefix("sha256:")[:12], 16) % parts


class PartitionedSubject:
    """A subject whose requests are split into parts that run at once.

    Args:
        make: Makes the subject of a part; it must be importable where the parts run (no closure for processes), and
            every part must be the same model: equal digests.
        parts: How many.
        runner: Where they run.
    """

    def __init__(self, make: Callable[[int], Subject], *, parts: int, runner: Runs) -> None:
        if parts < 1:
            raise InputError("at least one part is needed", field="parts", value=parts)
        first = make(0)
        self.name, self.digest = first.name, first.digest
        self.sampling = getattr(first, "sampling", None)
        self.is_scripted = getattr(first, "is_scripted", False)
        self._make, self._parts, self._runner = make, parts, runner

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """The answers of all parts, part by part.

        Raises:
            InputError: A part is another model.
        """
        split: list[list[Request]] = [[] for _ in range(self._parts)]
        for request in requests:
            split[part_of(request, self._parts)].append(request)
        futures = [
            self._runner.submit(_ask, self._make, number, asked)
            for number, asked in enumerate(split)
            if asked
        ]
        for future in futures:
            who, answers = future.result()
            if who != self.digest:
                raise InputError(
                    "the parts are not the same model", field="parts", value=who, expected=self.digest
                )
            yield from answers


def _ask(make: Callable[[int], Subject], number: int, requests: list[Request]) -> tuple[str, list[Response]]:
    subject = make(number)
    return subject.digest, list(subject.respond(requests))
