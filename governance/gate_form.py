"""How the parts of gate terms are read: strictly, each in its one form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from governance.decision import Approval, stamp
from governance.provenance import EnvelopeError

__all__ = ["read_approvals", "read_instant", "read_words"]


def read_words(value: Any, what: str) -> tuple[str, ...]:
    """A list of words, at least one, each once.

    Raises:
        EnvelopeError: It is something else.
    """
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(word, str) and word.strip() for word in value)
        or len(set(value)) != len(value)
    ):
        raise EnvelopeError(f"terms: {what} are a list of words, at least one, each once")
    return tuple(value)


def read_approvals(value: Any) -> tuple[Approval, ...]:
    """Rows of roles and a threshold.

    Raises:
        EnvelopeError: They are something else.
    """
    if not isinstance(value, list):
        raise EnvelopeError("terms: approvals are a list")
    found = []
    for row in value:
        if not isinstance(row, dict) or set(row) != {"roles", "threshold"}:
            raise EnvelopeError("terms: an approval has roles and a threshold")
        if type(row["threshold"]) is not int or row["threshold"] < 1:
            raise EnvelopeError("terms: a threshold is a number from 1")
        found.append(Approval(roles=frozenset(read_words(row["roles"], "roles")), threshold=row["threshold"]))
    return tuple(found)


def read_instant(value: Any, what: str) -> datetime:
    """An instant like ``2026-12-02T09:00:00Z``.

    Raises:
        EnvelopeError: It is something else.
    """
    try:
        moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise EnvelopeError(f"terms: {what} is not an instant like 2026-12-02T09:00:00Z") from error
    if stamp(moment) != value:
        raise EnvelopeError(f"terms: {what} is not in its one form")
    return moment
