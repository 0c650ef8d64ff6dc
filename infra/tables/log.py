"""The log: its entries, the tiles of its tree, its size, and the checkpoints that were signed."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import count, instant, table, text

__all__ = ["LOG_CHECKPOINTS", "LOG_ENTRIES", "LOG_HEAD", "LOG_TILES"]

LOG_ENTRIES: Final = table(
    "log_entries", count("position"), text("kind"), text("identity"), text("entry"), key=("position",)
)
LOG_TILES: Final = table(
    "log_tiles", count("level"), count("position"), text("hashes"), key=("level", "position")
)
LOG_HEAD: Final = table("log_head", count("id"), count("size"), key=("id",))
LOG_CHECKPOINTS: Final = table(
    "log_checkpoints",
    count("size"),
    text("root"),
    text("note"),
    instant("at"),
    text("tree", nullable=True),
    key=("size",),
)
