"""What stands beside a decision on its page: the version in MLflow, and what changed since the champion."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from governance.changes import Change, changes, unchanged
from governance.decision import Decision
from governance.provenance import EnvelopeError, Trust
from infra import ledger
from infra.database import Database
from infra.history import history
from infra.settings import Settings

__all__ = ["Beside", "beside_champions", "mlflow_address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A version that carries an alias now, and what the decision shown says otherwise than its own."""

    alias: str
    version: str
    changes: tuple[Change, ...]
    unchanged: int


def beside_champions(db: Database, decision: Decision, trust: Trust) -> list[Beside]:
    """The decision beside those on which other versions carry its aliases now."""
    rows = {row.digest: row for row in ledger.decisions(db)}
    found = []
    for stay in history(db, decision.model, trust=trust):
        row = rows.get(stay.decision or "")
        is_beside = stay.until is None and stay.alias in decision.aliases and stay.version != decision.version
        if not is_beside or row is None:
            continue
        try:
            theirs = Decision.from_envelope(row.envelope.encode())
        except EnvelopeError:
            continue  # its own page says that it is damaged
        found.append(
            Beside(
                alias=stay.alias,
                version=stay.version,
                changes=changes(theirs, decision),
                unchanged=unchanged(theirs, decision),
            )
        )
    return found


def mlflow_address(settings: Settings, model: str, version: str) -> str | None:
    """The version's own page in MLflow, where the platform knows one."""
    if settings.mlflow_url is None:
        return None
    return f"{settings.mlflow_url.rstrip('/')}/#/models/{quote(model, safe='')}/versions/{quote(version, safe='')}"
