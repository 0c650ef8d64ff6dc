"""What the registry's tables say about versions: their places, and which of them carry a protected alias.

Asked in two plain questions of columns that have not changed since MLflow 2.3; everything else goes through
MLflow's own store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from governance.gate import Terms
from infra.gate.places import is_within, place

__all__ = ["Carried", "carried", "frozen_at"]

_DELETED: Final = "Deleted_Internal"
_ALIASES: Final = sa.table(
    "registered_model_aliases",
    *(sa.column(name) for name in ("workspace", "name", "alias", "version")),
)
_VERSIONS: Final = sa.table(
    "model_versions",
    *(sa.column(name) for name in ("workspace", "name", "version", "current_stage", "run_id", "source", "storage_location")),
)  # fmt: skip
_IDENTITY: Final = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A version that carries a protected alias."""

    workspace: str
    model: str
    version: str
    alias: str
    run_id: str
    source: str
    location: str

    def says(self) -> str:
        """How a refusal names it."""
        return f"version {self.version} of {self.model} carries the protected alias {self.alias!r}"

    def is_logged_model(self, model_id: str) -> bool:
        """Whether that LoggedModel is what the version consists of."""
        return bool(model_id) and (
            self.source.rstrip("/") == f"models:/{model_id}"
            or f"/{model_id}/" in f"{self.location}/"
            or f"/{model_id}/" in f"{self.source}/"
        )


def carried(engine: sa.Engine, terms: Terms) -> list[Carried]:
    """Every version that carries a protected alias of a governed model, in every workspace."""
    joined = sa.and_(
        _VERSIONS.c.workspace == _ALIASES.c.workspace,
        _VERSIONS.c.name == _ALIASES.c.name,
        _VERSIONS.c.version == _ALIASES.c.version,
    )
    query = sa.select(
        *_ALIASES.c, _VERSIONS.c.run_id, _VERSIONS.c.source, _VERSIONS.c.storage_location
    ).select_from(_ALIASES.join(_VERSIONS, joined))
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        Carried(
            workspace=row["workspace"],
            model=row["name"],
            version=str(row["version"]),
            alias=row["alias"],
            run_id=row["run_id"] or "",
            source=row["source"] or "",
            location=row["storage_location"] or row["source"] or "",
        )
        for row in rows
        if terms.governs(row["name"]) and terms.protects(row["alias"])
    ]


def frozen_at(
    engine: sa.Engine, terms: Terms, where: str, destination: str, *, deleting: bool = False
) -> tuple[str, str] | None:
    """The first registered version of a governed model whose files lie at, in or above ``where``."""
    for row in _candidates(engine, where):
        location = row["storage_location"] or row["source"] or ""
        if not location or not terms.governs(row["name"]):
            continue
        if is_within(where, place(location, destination), deleting=deleting):
            return row["name"], str(row["version"])
    return None


def _candidates(engine: sa.Engine, where: str) -> Iterator[Any]:
    query = sa.select(
        _VERSIONS.c.name, _VERSIONS.c.version, _VERSIONS.c.source, _VERSIONS.c.storage_location
    ).where(_VERSIONS.c.current_stage != _DELETED)
    identities = _IDENTITY.findall(where)
    if identities:
        # In a run's or LoggedModel's folder lies only what names it; above it, what is no such folder.
        named = [_VERSIONS.c.storage_location.contains(one, autoescape=True) for one in identities]
        named += [_VERSIONS.c.source.contains(one, autoescape=True) for one in identities]
        plain = _VERSIONS.c.storage_location.contains("/artifacts", autoescape=True)
        query = query.where(sa.or_(*named, sa.not_(plain), _VERSIONS.c.storage_location.is_(None)))
    with engine.connect() as connection:
        yield from connection.execute(query).mappings().all()
