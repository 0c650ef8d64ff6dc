"""Live conversations: campaigns, conversations, turns, and what the models replied."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column

from infra.tables.columns import count, instant, sealed, structure, table, text

__all__ = ["LIVE_CAMPAIGNS", "LIVE_CONVERSATIONS", "LIVE_REPLIES", "LIVE_TURNS"]

LIVE_CAMPAIGNS: Final = table(
    "live_campaigns",
    text("campaign"),
    text("site"),
    structure("document"),
    instant("opened_at"),
    instant("closed_at", nullable=True),
    key=("campaign",),
)
LIVE_CONVERSATIONS: Final = table(
    "live_conversations",
    text("conversation"),
    text("site"),
    text("annotator"),
    text("campaign"),
    instant("started_at"),
    instant("ended_at", nullable=True),
    key=("conversation",),
)
LIVE_TURNS: Final = table(
    "live_turns",
    text("conversation"),
    count("number"),
    text("site"),
    text("annotator"),
    sealed("sealed"),
    count("writing_ms"),
    instant("said_at"),
    instant("asking_until", nullable=True),
    count("reduced"),
    count("repeated"),
    text("presentation", nullable=True),
    structure("places", nullable=True),
    instant("presented_at", nullable=True),
    Column("winner", BigInteger, nullable=True),
    key=("conversation", "number"),
)
LIVE_REPLIES: Final = table(
    "live_replies",
    text("conversation"),
    count("number"),
    count("place"),
    text("site"),
    text("annotator"),
    text("model"),
    sealed("sealed", nullable=True),
    text("error", nullable=True),
    structure("named"),
    instant("at"),
    key=("conversation", "number", "place"),
)
