"""The portal: sessions, items, who holds which, drafts, answers, and reports about an item."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import count, instant, sealed, table, text

__all__ = [
    "ITEM_REPORTS",
    "PLACEMENTS",
    "PORTAL_DRAFTS",
    "PORTAL_ITEMS",
    "PORTAL_JUDGEMENTS",
    "PORTAL_SESSIONS",
    "RESERVATIONS",
]

PORTAL_SESSIONS: Final = table(
    "portal_sessions",
    text("token_hash"),
    text("site"),
    text("annotator"),
    text("locale"),
    instant("created_at"),
    instant("seen_at"),
    instant("expires_at"),
    key=("token_hash",),
)
PORTAL_ITEMS: Final = table("portal_items", text("site"), text("item"), text("kind"), key=("site", "item"))
RESERVATIONS: Final = table(
    "reservations",
    text("presentation"),
    text("site"),
    text("item"),
    text("annotator"),
    text("state"),
    instant("reserved_at"),
    instant("expires_at"),
    instant("presented_at", nullable=True),
    key=("presentation",),
)
PLACEMENTS: Final = table(
    "placements",
    text("presentation"),
    text("site"),
    text("annotator"),
    text("cell"),
    text("role"),
    count("turn"),
    count("candidates"),
    key=("presentation",),
)
PORTAL_DRAFTS: Final = table(
    "portal_drafts",
    text("presentation"),
    text("annotator"),
    sealed("sealed"),
    instant("updated_at"),
    key=("presentation",),
)
PORTAL_JUDGEMENTS: Final = table(
    "portal_judgements",
    text("presentation"),
    text("site"),
    text("annotator"),
    text("kind"),
    sealed("sealed"),
    instant("presented_at"),
    instant("submitted_at"),
    key=("presentation",),
)
ITEM_REPORTS: Final = table(
    "item_reports",
    text("site"),
    text("presentation"),
    text("annotator"),
    text("kind"),
    sealed("sealed", nullable=True),
    instant("at"),
    key=("presentation", "kind"),
)
