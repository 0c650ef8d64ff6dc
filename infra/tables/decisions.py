"""Policies, the audits under them, decisions, and who approved, waived or revoked what."""

from __future__ import annotations

from typing import Final

from infra.tables.columns import count, instant, structure, table, text

__all__ = [
    "APPROVALS",
    "AUDITS",
    "AUDIT_ATTEMPTS",
    "DECISIONS",
    "EFFECTIVE_POLICIES",
    "POLICIES",
    "PROMOTIONS",
    "REVOCATIONS",
    "WAIVERS",
]

POLICIES: Final = table(
    "policies",
    text("id"),
    text("version"),
    text("digest"),
    count("tier"),
    text("text"),
    instant("first_seen"),
    key=("id", "version"),
)
EFFECTIVE_POLICIES: Final = table(
    "effective_policies",
    text("digest"),
    structure("documents"),
    structure("jurisdictions", nullable=True),
    text("application", nullable=True),
    instant("first_at"),
    key=("digest",),
)
AUDITS: Final = table(
    "audits",
    text("digest"),
    text("model"),
    text("version"),
    text("verdict"),
    text("policy_digest"),
    instant("created_at"),
    key=("digest",),
)
AUDIT_ATTEMPTS: Final = table(
    "audit_attempts",
    text("artifact"),
    text("policy_digest"),
    text("probe_set"),
    text("plan"),
    text("model"),
    text("version"),
    structure("terms"),
    instant("at"),
    structure("outcome", nullable=True),
    text("tree", nullable=True),
    key=("artifact", "policy_digest", "probe_set"),
)
DECISIONS: Final = table(
    "decisions",
    text("digest"),
    text("model"),
    text("version"),
    text("verdict"),
    text("envelope"),
    instant("created_at"),
    key=("digest",),
)
APPROVALS: Final = table(
    "approvals",
    text("statement"),
    text("keyid"),
    text("envelope"),
    instant("at"),
    key=("statement", "keyid"),
)
WAIVERS: Final = table(
    "waivers",
    text("digest"),
    text("model"),
    text("version"),
    text("envelope"),
    instant("at"),
    key=("digest",),
)
REVOCATIONS: Final = table("revocations", text("keyid"), text("envelope"), instant("at"), key=("keyid",))
PROMOTIONS: Final = table(
    "promotions",
    text("id"),
    text("model"),
    text("alias"),
    text("version"),
    text("decision", nullable=True),
    text("outcome"),
    structure("reasons"),
    instant("at"),
    key=("id",),
)
