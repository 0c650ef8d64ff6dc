"""The portal of this installation, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from annotation.web.portal import Portal
from annotation.web.texts import Languages, shipped_languages
from governance.errors import BoundsError
from infra.database import Database
from infra.live_portal import SqlLive
from infra.people_texts import load_codebook, load_consent_text, load_countries
from infra.policy_cache import PolicyCache
from infra.portal import SqlPortal
from infra.settings import Settings

__all__ = ["has_portal", "make_portal"]


def has_portal(settings: Settings) -> bool:
    """Whether people can be asked here: a site has the key that their keys are wrapped by."""
    return any(site.key.get_secret_value() for site in settings.sites)


def make_portal(
    settings: Settings,
    db: Database,
    policies: PolicyCache,
    *,
    clock: Callable[[], datetime] | None = None,
    languages: Languages | None = None,
    per_minute: int = 240,
) -> Portal:
    """The portal.

    Args:
        settings: The sites, their keys, the address that people use.
        db: The platform's database.
        policies: The policies in force; their digest stands in every presentation.
        clock: Tells the time; the real one by default.
        languages: The words; the shipped ones by default.
        per_minute: Requests of one session that are served on the long run.

    Raises:
        InputError: The codebook or the consent text cannot be used.
    """
    tell = clock or _now
    codebook, consent_text = load_codebook(settings), load_consent_text(settings)

    def policy(_at: datetime) -> str | None:
        return _policy_digest(policies)

    store = SqlPortal(settings, db, codebook=codebook, consent_text=consent_text, policy=policy, now=tell())
    return Portal(
        store,
        languages=languages or shipped_languages(),
        codebook=codebook,
        consent_text=consent_text,
        countries=load_countries(),
        clock=tell,
        secure=(settings.web_url or "").startswith("https:"),
        per_minute=per_minute,
        live=SqlLive(settings, db, policy=policy, clock=tell),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _policy_digest(policies: PolicyCache) -> str | None:
    """The digest of the policy in force; None while it cannot be read, which validation then refuses."""
    try:
        return policies.policy().digest
    except BoundsError:
        return None
