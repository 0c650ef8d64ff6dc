"""What people judge: items, whose words they hold, known answers, and what was shown to whom."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import count, instant, structure, table, text

__all__ = ["GOLD_ITEMS", "ITEMS", "ITEM_AUTHORS", "PRESENTATIONS"]

ITEMS: Final = table(
    "items", text("item"), text("digest"), structure("record"), text("import"), key=("item",)
)
ITEM_AUTHORS: Final = table(
    "item_authors",
    text("site"),
    text("item"),
    text("annotator"),
    key=("site", "item", "annotator"),
)
GOLD_ITEMS: Final = table(
    "gold_items",
    text("site"),
    text("item"),
    text("role"),
    text("outcome"),
    text("preferred", nullable=True),
    text("added_by"),
    instant("added_at"),
    key=("site", "item"),
)
PRESENTATIONS: Final = table(
    "presentations",
    text("presentation"),
    text("site"),
    text("item"),
    text("item_digest"),
    count("slot"),
    structure("shown"),
    text("config_digest"),
    text("policy_digest", nullable=True),
    text("consent", nullable=True),
    instant("created_at"),
    text("source"),
    text("source_ref", nullable=True),
    key=("presentation",),
)
