"""Effective policies that were in force, so that what was judged under an older one can be told.

An effective policy is composed of documents for an application, jurisdictions and an instant; these are
recorded under its digest, and composing them again must give that digest. Anything else is not on record,
and what is not on record is never taken for unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from governance.errors import BoundsError
from governance.policy.compose import compose
from governance.policy.diff import diff
from governance.policy.document import parse
from governance.policy.model import EffectivePolicy
from infra.database import Database
from infra.tables.decisions import EFFECTIVE_POLICIES, POLICIES

__all__ = ["outdated", "record_effective"]

_RULINGS = frozenset({"rule", "dimension"})
_BINDING = frozenset({"jurisdictions", "applications", "further_dimensions"})


def record_effective(
    db: Database,
    policy: EffectivePolicy,
    *,
    documents: Iterable[str],
    jurisdictions: Iterable[str] | None,
    application: str | None,
    at: datetime,
) -> None:
    """Record what a policy in force was composed of; the first recording of a digest stays.

    Args:
        db: The database.
        policy: The policy.
        documents: Digests of the documents it was composed of, each recorded by itself.
        jurisdictions: Where it holds; None is everywhere.
        application: For which application.
        at: The instant it was composed for.
    """
    row = {
        "digest": policy.digest,
        "documents": sorted(documents),
        "jurisdictions": None if jurisdictions is None else sorted(jurisdictions),
        "application": application,
        "first_at": at,
    }
    with db.write() as connection:
        db.insert_new(connection, EFFECTIVE_POLICIES, [row])


def outdated(db: Database, digests: Iterable[str], current: EffectivePolicy) -> dict[str, str]:
    """Those of the effective policies whose rulings are not the current ones: digest → what changed.

    Rulings are what a judgement was asked under: restrictions, requirements and dimensions. What is demanded
    of data or of a promotion changes no question that was put to a person.
    """
    found = {}
    for digest in sorted(set(digests) - {current.digest}):
        before = _composed(db, digest)
        if before is None:
            found[digest] = "this version of the policy is not on record"
            continue
        compared = diff(before, current)
        changes = (
            *compared.tightened,
            *compared.loosened,
            *compared.added,
            *compared.removed,
            *compared.changed,
        )
        named = sorted(
            {
                f"{change.what} {change.id}"
                for change in changes
                if change.what in _RULINGS or change.id in _BINDING
            }
        )
        if named:
            found[digest] = "changed since: " + ", ".join(named)
    return found


def _composed(db: Database, digest: str) -> EffectivePolicy | None:
    with db.read() as connection:
        row = (
            connection.execute(select(EFFECTIVE_POLICIES).where(EFFECTIVE_POLICIES.c.digest == digest))
            .mappings()
            .one_or_none()
        )
        if row is None:
            return None
        texts = connection.execute(
            select(POLICIES.c.text).where(POLICIES.c.digest.in_(row["documents"])).order_by(POLICIES.c.digest)
        ).scalars()
        documents = [json.loads(text) for text in texts]
    try:
        policy = compose(
            [parse(document) for document in documents],
            at=row["first_at"],
            jurisdictions=row["jurisdictions"],
            application=row["application"],
        )
    except BoundsError:
        return None
    return policy if policy.digest == digest else None
