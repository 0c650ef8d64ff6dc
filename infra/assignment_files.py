"""Reads a site's plan of assignment, and makes the assigner that its settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from annotation.assignment import Plan
from annotation.assignment_plan import parse_plan
from annotation.pay import Rate
from annotation.ports import Assigner
from governance.errors import InputError
from infra.answers import answers_of
from infra.database import Database
from infra.person_keys import open_person_keys
from infra.quota_assigner import QuotaAssigner
from infra.reservations import PlainAssigner
from infra.settings import Settings

__all__ = ["load_plan", "make_assigner", "quotas_of", "rate_of"]

Policy = Callable[[datetime], str | None]


def load_plan(settings: Settings, site: str) -> Plan | None:
    """The plan of a site; None where its settings name none.

    Raises:
        InputError: The file cannot be read or is no plan.
    """
    stated = settings.site(site).assignment
    if stated is None:
        return None
    path = Path(stated) if Path(stated).is_absolute() else settings.home / stated
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the plan cannot be read: {error}", file=str(path), field=f"sites.{site}.assignment"
        ) from error
    return parse_plan(text, name=str(path))


def make_assigner(settings: Settings, db: Database, site: str, *, codebook: str, policy: Policy) -> Assigner:
    """The assigner of a site: by its plan, or the plain one where it has none.

    Args:
        settings: The sites.
        db: The platform's database.
        site: The site.
        codebook: ``id@version`` of the questions whose answers say which cell a person is in.
        policy: The digest of the effective policy at an instant.
    """
    plan = load_plan(settings, site)
    if plan is None:
        return PlainAssigner(db, settings.site(site), policy=policy)
    keys = open_person_keys(settings, site)

    def profile(annotator: str) -> dict[str, str | None]:
        given = answers_of(db, keys, site, annotator, codebook)
        return {field: answer.value for field, answer in given.items()}

    return QuotaAssigner(db, settings.site(site), plan=plan, profile=profile, policy=policy)


def quotas_of(settings: Settings, db: Database, site: str) -> tuple[Plan, QuotaAssigner] | None:
    """The plan of a site and what counts against it; None where it has none."""
    plan = load_plan(settings, site)
    if plan is None:
        return None
    counting = QuotaAssigner(db, settings.site(site), plan=plan, profile=lambda _: {}, policy=lambda _: None)
    return plan, counting


def rate_of(settings: Settings, site: str) -> Rate | None:
    """What an hour of people's time is worth at a site: its own ``pay``, else the fair pay of its plan, else None."""
    own = settings.site(site).pay
    if own is not None:
        return Rate(per_hour=own.per_hour, currency=own.currency)
    plan = load_plan(settings, site)
    if plan is None or plan.pay is None:
        return None
    return Rate(
        per_hour=Decimal(str(plan.pay.fair_per_hour)).quantize(Decimal("0.01")), currency=plan.pay.currency
    )
