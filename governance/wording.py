"""Numbers with the words they count, as people write them."""

from __future__ import annotations

__all__ = ["many"]


def many(count: int, one: str, more: str | None = None) -> str:
    """``1 row``, ``1,200 rows``: a number and its noun.

    Args:
        count: How many.
        one: The noun for one of them.
        more: The noun for any other number; by default ``one`` with an s.
    """
    return f"{count:,} {one if count == 1 else more or one + 's'}"
