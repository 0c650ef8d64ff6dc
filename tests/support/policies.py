"""Makers of small policy documents for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from governance.policy.document import PolicyDocument, parse

AT = datetime(2026, 11, 21, tzinfo=UTC)

OWNERS = {1: "regulator", 2: "model_provider", 3: "end_user"}


def make(tier: int, name: str | None = None, **fields: Any) -> PolicyDocument:
    """A document with what every document needs, and the given fields."""
    owner = fields.pop("owner", OWNERS[tier])
    plain: dict[str, Any] = {
        "format": 1,
        "id": name or f"doc-{tier}",
        "version": fields.pop("version", "1.0.0"),
        "tier": tier,
        "title": "Title",
        "authority": {"kind": owner, "name": f"Owner of {name or tier}", "contact": "a@b.example"},
    }
    if tier == 1:
        plain["rules"] = [rule("T1.base")]
    return parse(plain | fields, source="made.yaml")


def rule(name: str, kind: str = "restriction", **fields: Any) -> dict[str, Any]:
    return {"id": name, "kind": kind, "statement": "Do not.", "rationale": "Because."} | fields


def choice(name: str, values: list[str], **fields: Any) -> dict[str, Any]:
    return {"id": name, "type": "choice", "statement": "What.", "values": values} | fields


def span(name: str, low: float, high: float, **fields: Any) -> dict[str, Any]:
    return {"id": name, "type": "range", "statement": "How much.", "low": low, "high": high} | fields


def flag(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "type": "flag", "statement": "Whether."} | fields
