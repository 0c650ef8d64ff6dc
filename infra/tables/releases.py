"""Batches and releases: where their bytes lie and what they were made from."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import count, instant, structure, table, text

__all__ = ["BATCHES", "RELEASES"]

BATCHES: Final = table(
    "batches",
    text("digest"),
    text("site", nullable=True),
    text("inputs_digest"),
    count("read"),
    count("accepted"),
    count("quarantined"),
    text("verdict"),
    instant("created_at"),
    key=("digest",),
)
RELEASES: Final = table(
    "releases",
    text("digest"),
    text("inputs_digest"),
    structure("batches"),
    text("run_id", nullable=True),
    instant("created_at"),
    text("tree", nullable=True),
    key=("digest",),
)
