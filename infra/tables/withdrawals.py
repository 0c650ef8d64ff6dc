"""Withdrawals: who asked, how far each is, and what was erased or flagged for it."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import instant, structure, table, text

__all__ = ["ERASED_BATCHES", "FLAGGED_RELEASES", "WITHDRAWALS", "WITHDRAWAL_REQUESTS"]

WITHDRAWAL_REQUESTS: Final = table(
    "withdrawal_requests",
    text("site"),
    text("annotator"),
    text("request"),
    instant("requested_at"),
    text("via"),
    text("receipt", nullable=True),
    instant("done_at", nullable=True),
    key=("site", "annotator"),
)
WITHDRAWALS: Final = table(
    "withdrawals",
    text("request"),
    text("site"),
    structure("found"),
    structure("steps"),
    structure("receipt", nullable=True),
    text("digest", nullable=True),
    instant("begun_at"),
    instant("done_at", nullable=True),
    key=("request",),
)
ERASED_BATCHES: Final = table(
    "erased_batches",
    text("batch"),
    text("request"),
    text("successor", nullable=True),
    instant("erased_at"),
    key=("batch",),
)
FLAGGED_RELEASES: Final = table(
    "flagged_releases",
    text("release"),
    text("request"),
    instant("flagged_at"),
    key=("release", "request"),
)
