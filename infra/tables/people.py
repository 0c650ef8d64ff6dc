"""Who judges: pseudonyms, invitations, consent, and what people say of themselves."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from infra.tables.columns import count, instant, sealed, structure, table, text

__all__ = [
    "ANNOTATORS",
    "CODEBOOK_ANSWERS",
    "CODEBOOK_VERSIONS",
    "CONSENT_EVENTS",
    "CONSENT_VERSIONS",
    "INVITATIONS",
    "PANEL",
    "PROFILES",
]

ANNOTATORS: Final = table(
    "annotators",
    text("site"),
    text("annotator"),
    count("simulated"),
    text("locale"),
    instant("created_at"),
    instant("practised_at", nullable=True),
    instant("stopped_at", nullable=True),
    key=("site", "annotator"),
)
INVITATIONS: Final = table(
    "invitations",
    text("token_hash"),
    text("site"),
    text("annotator"),
    instant("created_at"),
    instant("expires_at"),
    instant("used_at", nullable=True),
    key=("token_hash",),
)
PANEL: Final = table(
    "panel",
    text("site"),
    text("source"),
    text("account"),
    text("annotator"),
    key=("site", "source", "account"),
)


def _versions(name: str) -> Table:
    return table(
        name,
        text("digest"),
        text("id"),
        text("version"),
        structure("document"),
        instant("first_seen"),
        key=("digest",),
    )


CONSENT_VERSIONS: Final = _versions("consent_versions")
CONSENT_EVENTS: Final = table(
    "consent_events",
    text("site"),
    text("annotator"),
    count("number"),
    text("consent"),
    text("version"),
    text("purpose"),
    text("kind"),
    instant("at"),
    key=("site", "annotator", "number"),
)
CODEBOOK_VERSIONS: Final = _versions("codebook_versions")
CODEBOOK_ANSWERS: Final = table(
    "codebook_answers",
    text("site"),
    text("annotator"),
    text("codebook"),
    text("field"),
    count("revision"),
    text("status"),
    sealed("sealed", nullable=True),
    instant("at"),
    key=("site", "annotator", "codebook", "field", "revision"),
)
PROFILES: Final = table(
    "profiles",
    text("annotator"),
    text("site"),
    text("codebook"),
    text("field"),
    text("status"),
    text("value", nullable=True),
    count("simulated"),
    key=("annotator", "site", "codebook", "field"),
)
