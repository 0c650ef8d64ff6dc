"""Instants in signed bytes: UTC to the second, each in its one form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from governance.provenance import EnvelopeError

__all__ = ["parse_instant", "stamp"]


def stamp(moment: datetime) -> str:
    """``2026-12-02T09:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(value: Any, what: str) -> datetime:
    """The instant that :func:`stamp` wrote.

    Raises:
        EnvelopeError: It is in another form.
    """
    try:
        moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise EnvelopeError(f"{what} is not an instant like 2026-12-02T09:00:00Z") from error
    if stamp(moment) != value:
        raise EnvelopeError(f"{what} is not in its one form")
    return moment
