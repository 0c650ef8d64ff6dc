"""Tables of the platform's database as SQLAlchemy sees them; ``infra/migrations`` makes them.

A test compares these declarations with a migrated database, column by column.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Dialect, MetaData, PrimaryKeyConstraint, Table, Text, TypeDecorator

from governance.digest import canonical

__all__ = [
    "ANNOTATORS",
    "APPROVALS",
    "AUDITS",
    "AUDIT_ATTEMPTS",
    "BATCHES",
    "CODEBOOK_ANSWERS",
    "CODEBOOK_VERSIONS",
    "CONSENT_EVENTS",
    "CONSENT_VERSIONS",
    "CURSORS",
    "DECISIONS",
    "EFFECTIVE_POLICIES",
    "ERASED_BATCHES",
    "FEEDBACK_EVENTS",
    "FLAGGED_RELEASES",
    "GOLD_ITEMS",
    "IMPORTS",
    "INVITATIONS",
    "ITEMS",
    "ITEM_AUTHORS",
    "ITEM_REPORTS",
    "LIVE_CAMPAIGNS",
    "LIVE_CONVERSATIONS",
    "LIVE_REPLIES",
    "LIVE_TURNS",
    "LOG_CHECKPOINTS",
    "LOG_ENTRIES",
    "LOG_HEAD",
    "LOG_TILES",
    "METADATA",
    "PANEL",
    "PLACEMENTS",
    "POLICIES",
    "PORTAL_DRAFTS",
    "PORTAL_ITEMS",
    "PORTAL_JUDGEMENTS",
    "PORTAL_SESSIONS",
    "PRESENTATIONS",
    "PROFILES",
    "PROMOTIONS",
    "QUEUES",
    "RAW_CHUNKS",
    "RAW_EVENTS",
    "RELEASES",
    "RESERVATIONS",
    "RESUBMISSIONS",
    "REVOCATIONS",
    "WAIVERS",
    "WITHDRAWALS",
    "WITHDRAWAL_REQUESTS",
    "Json",
    "Sealed",
    "Utc",
]


class Utc(TypeDecorator[datetime]):
    """An aware time, stored as ISO 8601 text in UTC with microseconds, so that it sorts as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text; a time without a zone is a mistake of the caller."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs a zone: {value!r}")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """A JSON value, stored as canonical text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To canonical text."""
        del dialect
        return None if value is None else canonical(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From text."""
        del dialect
        return None if value is None else json.loads(value)


class Sealed(TypeDecorator[bytes]):
    """Encrypted bytes, stored as base64 text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:
        """To text."""
        del dialect
        return None if value is None else base64.b64encode(value).decode("ascii")

    def process_result_value(self, value: str | None, dialect: Dialect) -> bytes | None:
        """From text."""
        del dialect
        return None if value is None else base64.b64decode(value)


METADATA: Final = MetaData()


def _table(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    return Table(name, METADATA, *columns, PrimaryKeyConstraint(*key))


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _count(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Utc, nullable=nullable)


def _sealed(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Sealed, nullable=nullable)


def _json(name: str) -> Column[Any]:
    return Column(name, Json, nullable=False)


EFFECTIVE_POLICIES: Final = _table(
    "effective_policies",
    _text("digest"),
    _json("documents"),
    Column("jurisdictions", Json, nullable=True),
    _text("application", nullable=True),
    _time("first_at"),
    key=("digest",),
)
RESUBMISSIONS: Final = _table(
    "resubmissions",
    _text("site"),
    _text("source"),
    _text("ref"),
    _count("revision"),
    _count("first_revision"),
    _text("first_digest"),
    _text("batch"),
    _json("rules"),
    _text("reason"),
    _text("corrected_by"),
    _time("at"),
    key=("site", "source", "ref", "revision"),
)
RAW_CHUNKS: Final = _table(
    "raw_chunks",
    _text("site"),
    _text("digest"),
    _count("events"),
    _time("recorded_at"),
    key=("site", "digest"),
)
RAW_EVENTS: Final = _table(
    "raw_events",
    _text("site"),
    _text("source"),
    _text("ref"),
    _count("revision"),
    _text("version"),
    _text("kind"),
    _text("digest"),
    _text("chunk"),
    _count("position"),
    _text("annotator", nullable=True),
    key=("site", "source", "ref", "revision"),
)
CURSORS: Final = _table("cursors", _text("site"), _text("source"), _text("cursor"), key=("site", "source"))
IMPORTS: Final = _table(
    "imports",
    _text("digest"),
    _text("origin"),
    _text("file_name"),
    _text("file_digest"),
    _count("read"),
    _count("imported"),
    _count("refused"),
    _text("object"),
    _time("at"),
    key=("digest",),
)
ITEMS: Final = _table(
    "items", _text("item"), _text("digest"), _json("record"), _text("import"), key=("item",)
)
PRESENTATIONS: Final = _table(
    "presentations",
    _text("presentation"),
    _text("site"),
    _text("item"),
    _text("item_digest"),
    _count("slot"),
    _json("shown"),
    _text("config_digest"),
    _text("policy_digest", nullable=True),
    _text("consent", nullable=True),
    _time("created_at"),
    _text("source"),
    _text("source_ref", nullable=True),
    key=("presentation",),
)
BATCHES: Final = _table(
    "batches",
    _text("digest"),
    _text("site", nullable=True),
    _text("inputs_digest"),
    _count("read"),
    _count("accepted"),
    _count("quarantined"),
    _text("verdict"),
    _time("created_at"),
    key=("digest",),
)
RELEASES: Final = _table(
    "releases",
    _text("digest"),
    _text("inputs_digest"),
    _json("batches"),
    _text("run_id", nullable=True),
    _time("created_at"),
    _text("tree", nullable=True),
    key=("digest",),
)
AUDITS: Final = _table(
    "audits",
    _text("digest"),
    _text("model"),
    _text("version"),
    _text("verdict"),
    _text("policy_digest"),
    _time("created_at"),
    key=("digest",),
)
AUDIT_ATTEMPTS: Final = _table(
    "audit_attempts",
    _text("artifact"),
    _text("policy_digest"),
    _text("probe_set"),
    _text("plan"),
    _text("model"),
    _text("version"),
    _json("terms"),
    _time("at"),
    Column("outcome", Json, nullable=True),
    _text("tree", nullable=True),
    key=("artifact", "policy_digest", "probe_set"),
)
DECISIONS: Final = _table(
    "decisions",
    _text("digest"),
    _text("model"),
    _text("version"),
    _text("verdict"),
    _text("envelope"),
    _time("created_at"),
    key=("digest",),
)
PROMOTIONS: Final = _table(
    "promotions",
    _text("id"),
    _text("model"),
    _text("alias"),
    _text("version"),
    _text("decision", nullable=True),
    _text("outcome"),
    _json("reasons"),
    _time("at"),
    key=("id",),
)
POLICIES: Final = _table(
    "policies",
    _text("id"),
    _text("version"),
    _text("digest"),
    _count("tier"),
    _text("text"),
    _time("first_seen"),
    key=("id", "version"),
)
PROFILES: Final = _table(
    "profiles",
    _text("annotator"),
    _text("site"),
    _text("codebook"),
    _text("field"),
    _text("status"),
    _text("value", nullable=True),
    _count("simulated"),
    key=("annotator", "site", "codebook", "field"),
)
PANEL: Final = _table(
    "panel",
    _text("site"),
    _text("source"),
    _text("account"),
    _text("annotator"),
    key=("site", "source", "account"),
)
QUEUES: Final = _table("queues", _text("site"), _text("item"), key=("site", "item"))
LOG_ENTRIES: Final = _table(
    "log_entries", _count("position"), _text("kind"), _text("identity"), _text("entry"), key=("position",)
)
LOG_TILES: Final = _table(
    "log_tiles", _count("level"), _count("position"), _text("hashes"), key=("level", "position")
)
LOG_HEAD: Final = _table("log_head", _count("id"), _count("size"), key=("id",))
LOG_CHECKPOINTS: Final = _table(
    "log_checkpoints",
    _count("size"),
    _text("root"),
    _text("note"),
    _time("at"),
    _text("tree", nullable=True),
    key=("size",),
)

ANNOTATORS: Final = _table(
    "annotators",
    _text("site"),
    _text("annotator"),
    _count("simulated"),
    _text("locale"),
    _time("created_at"),
    _time("practised_at", nullable=True),
    _time("stopped_at", nullable=True),
    key=("site", "annotator"),
)
INVITATIONS: Final = _table(
    "invitations",
    _text("token_hash"),
    _text("site"),
    _text("annotator"),
    _time("created_at"),
    _time("expires_at"),
    _time("used_at", nullable=True),
    key=("token_hash",),
)


def _versions(name: str) -> Table:
    return _table(
        name,
        _text("digest"),
        _text("id"),
        _text("version"),
        _json("document"),
        _time("first_seen"),
        key=("digest",),
    )


CONSENT_VERSIONS: Final = _versions("consent_versions")
CONSENT_EVENTS: Final = _table(
    "consent_events",
    _text("site"),
    _text("annotator"),
    _count("number"),
    _text("consent"),
    _text("version"),
    _text("purpose"),
    _text("kind"),
    _time("at"),
    key=("site", "annotator", "number"),
)
CODEBOOK_VERSIONS: Final = _versions("codebook_versions")
CODEBOOK_ANSWERS: Final = _table(
    "codebook_answers",
    _text("site"),
    _text("annotator"),
    _text("codebook"),
    _text("field"),
    _count("revision"),
    _text("status"),
    _sealed("sealed", nullable=True),
    _time("at"),
    key=("site", "annotator", "codebook", "field", "revision"),
)
PORTAL_SESSIONS: Final = _table(
    "portal_sessions",
    _text("token_hash"),
    _text("site"),
    _text("annotator"),
    _text("locale"),
    _time("created_at"),
    _time("seen_at"),
    _time("expires_at"),
    key=("token_hash",),
)
PORTAL_ITEMS: Final = _table(
    "portal_items", _text("site"), _text("item"), _text("kind"), key=("site", "item")
)
RESERVATIONS: Final = _table(
    "reservations",
    _text("presentation"),
    _text("site"),
    _text("item"),
    _text("annotator"),
    _text("state"),
    _time("reserved_at"),
    _time("expires_at"),
    _time("presented_at", nullable=True),
    key=("presentation",),
)
PORTAL_DRAFTS: Final = _table(
    "portal_drafts",
    _text("presentation"),
    _text("annotator"),
    _sealed("sealed"),
    _time("updated_at"),
    key=("presentation",),
)
PORTAL_JUDGEMENTS: Final = _table(
    "portal_judgements",
    _text("presentation"),
    _text("site"),
    _text("annotator"),
    _text("kind"),
    _sealed("sealed"),
    _time("presented_at"),
    _time("submitted_at"),
    key=("presentation",),
)
ITEM_REPORTS: Final = _table(
    "item_reports",
    _text("site"),
    _text("presentation"),
    _text("annotator"),
    _text("kind"),
    _sealed("sealed", nullable=True),
    _time("at"),
    key=("presentation", "kind"),
)
WITHDRAWAL_REQUESTS: Final = _table(
    "withdrawal_requests",
    _text("site"),
    _text("annotator"),
    _text("request"),
    _time("requested_at"),
    _text("via"),
    _text("receipt", nullable=True),
    _time("done_at", nullable=True),
    key=("site", "annotator"),
)
APPROVALS: Final = _table(
    "approvals",
    _text("statement"),
    _text("keyid"),
    _text("envelope"),
    _time("at"),
    key=("statement", "keyid"),
)
WAIVERS: Final = _table(
    "waivers",
    _text("digest"),
    _text("model"),
    _text("version"),
    _text("envelope"),
    _time("at"),
    key=("digest",),
)
REVOCATIONS: Final = _table("revocations", _text("keyid"), _text("envelope"), _time("at"), key=("keyid",))
WITHDRAWALS: Final = _table(
    "withdrawals",
    _text("request"),
    _text("site"),
    _json("found"),
    _json("steps"),
    Column("receipt", Json, nullable=True),
    _text("digest", nullable=True),
    _time("begun_at"),
    Column("done_at", Utc, nullable=True),
    key=("request",),
)
ERASED_BATCHES: Final = _table(
    "erased_batches",
    _text("batch"),
    _text("request"),
    _text("successor", nullable=True),
    _time("erased_at"),
    key=("batch",),
)
FLAGGED_RELEASES: Final = _table(
    "flagged_releases",
    _text("release"),
    _text("request"),
    _time("flagged_at"),
    key=("release", "request"),
)
GOLD_ITEMS: Final = _table(
    "gold_items",
    _text("site"),
    _text("item"),
    _text("role"),
    _text("outcome"),
    _text("preferred", nullable=True),
    _text("added_by"),
    _time("added_at"),
    key=("site", "item"),
)
PLACEMENTS: Final = _table(
    "placements",
    _text("presentation"),
    _text("site"),
    _text("annotator"),
    _text("cell"),
    _text("role"),
    _count("turn"),
    _count("candidates"),
    key=("presentation",),
)
FEEDBACK_EVENTS: Final = _table(
    "feedback_events",
    _text("site"),
    _text("event"),
    _count("number"),
    _text("annotator"),
    _text("identity"),
    _sealed("sealed"),
    _time("received_at"),
    key=("site", "event"),
)
ITEM_AUTHORS: Final = _table(
    "item_authors",
    _text("site"),
    _text("item"),
    _text("annotator"),
    key=("site", "item", "annotator"),
)
LIVE_CAMPAIGNS: Final = _table(
    "live_campaigns",
    _text("campaign"),
    _text("site"),
    _json("document"),
    _time("opened_at"),
    _time("closed_at", nullable=True),
    key=("campaign",),
)
LIVE_CONVERSATIONS: Final = _table(
    "live_conversations",
    _text("conversation"),
    _text("site"),
    _text("annotator"),
    _text("campaign"),
    _time("started_at"),
    _time("ended_at", nullable=True),
    key=("conversation",),
)
LIVE_TURNS: Final = _table(
    "live_turns",
    _text("conversation"),
    _count("number"),
    _text("site"),
    _text("annotator"),
    _sealed("sealed"),
    _count("writing_ms"),
    _time("said_at"),
    _time("asking_until", nullable=True),
    _count("reduced"),
    _count("repeated"),
    _text("presentation", nullable=True),
    Column("places", Json, nullable=True),
    _time("presented_at", nullable=True),
    Column("winner", BigInteger, nullable=True),
    key=("conversation", "number"),
)
LIVE_REPLIES: Final = _table(
    "live_replies",
    _text("conversation"),
    _count("number"),
    _count("place"),
    _text("site"),
    _text("annotator"),
    _text("model"),
    _sealed("sealed", nullable=True),
    _text("error", nullable=True),
    _json("named"),
    _time("at"),
    key=("conversation", "number", "place"),
)
