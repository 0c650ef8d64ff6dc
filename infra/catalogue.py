"""Items in the database, where they were imported from, and how each was presented for judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, update

from governance.digest import digest
from governance.errors import InputError
from infra.database import Database
from infra.tables.collected import IMPORTS
from infra.tables.items import ITEM_AUTHORS, ITEMS, PRESENTATIONS

__all__ = [
    "ImportRecord",
    "Presentation",
    "add_items",
    "add_presentations",
    "authored",
    "count_items",
    "imports",
    "items",
    "note_presentation_refs",
    "presentations",
    "set_presentation_ref",
]

_PARAMETERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """One file that was imported.

    Attributes:
        origin: Data set, as the items name it.
        file_name: Name of the file, without its folder.
        file_digest: Digest of its bytes.
        read: Rows in it.
        imported: Rows that became items.
        refused: Rows that did not; ``read = imported + refused``.
        object: Digest of the tree under ``imports`` with the items and the refusals.
        at: When it was first imported.
    """

    origin: str
    file_name: str
    file_digest: str
    read: int
    imported: int
    refused: int
    object: str
    at: datetime

    @property
    def digest(self) -> str:
        """Identity: the same bytes read to the same items are one import, whenever and under whatever name."""
        return digest({"origin": self.origin, "file_digest": self.file_digest, "object": self.object})


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """How an item is put before annotators of a site, written before it is shown.

    Attributes:
        presentation: Its id.
        site: Place of collection.
        item: Item shown.
        item_digest: Digest of the item as shown.
        slot: Which presentation of the item at the site, from 0.
        shown: Candidate ids in the order shown, first to last.
        config_digest: Digest of the labelling page's configuration.
        policy_digest: Digest of the effective policy, if one governs.
        consent: Consent record, where one person is meant.
        created_at: When the row was written.
        source: Where it is shown.
        source_ref: Its id there (a Label Studio task id), once known.
    """

    presentation: str
    site: str
    item: str
    item_digest: str
    slot: int
    shown: tuple[str, ...]
    config_digest: str
    created_at: datetime
    source: str
    policy_digest: str | None = None
    consent: str | None = None
    source_ref: str | None = None


def add_items(db: Database, rows: Sequence[Mapping[str, Any]], record: ImportRecord) -> int:
    """Record an import and its items (``ITEMS`` rows) in one transaction; returns how many items were new.

    An item that another import brought already stays as it is: an item is its content.

    Raises:
        InputError: Two items share an id and differ in their digest.
    """
    written = [
        {"item": row["item"], "digest": row["digest"], "record": dict(row), "import": record.digest}
        for row in rows
    ]
    with db.write() as connection:
        before = connection.execute(select(func.count()).select_from(ITEMS)).scalar_one()
        db.insert_new(connection, IMPORTS, [{"digest": record.digest, **asdict(record)}])
        db.insert_new(connection, ITEMS, written)
        for part in _parts([row["item"] for row in written]):
            digests = {row["item"]: row["digest"] for row in written}
            query = select(ITEMS.c.item, ITEMS.c.digest).where(ITEMS.c.item.in_(part))
            for found in connection.execute(query):
                if digests.pop(found.item) != found.digest:
                    raise InputError("another item has this id", field="item", value=found.item)
        return int(connection.execute(select(func.count()).select_from(ITEMS)).scalar_one() - before)


def items(db: Database, ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """``ITEMS`` rows, all or those of these ids, in the order of their ids.

    Raises:
        InputError: An id is of no item; the error names it.
    """
    query = select(ITEMS.c.item, ITEMS.c.record)
    queries: list[Select[Any]] = [query]
    wanted = None if ids is None else sorted(set(ids))
    if wanted is not None:
        queries = [query.where(ITEMS.c.item.in_(part)) for part in _parts(wanted)]
    with db.read() as connection:
        found = {row.item: row.record for one in queries for row in connection.execute(one)}
    for item in wanted or ():
        if item not in found:
            raise InputError("no such item", field="item", value=item)
    return [found[item] for item in sorted(found)]


def authored(db: Database) -> frozenset[str]:
    """The items that hold words of a person who takes part: a conversation, or an application's end user."""
    with db.read() as connection:
        return frozenset(connection.execute(select(ITEM_AUTHORS.c.item)).scalars())


def count_items(db: Database) -> int:
    """How many items there are."""
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(ITEMS)).scalar_one())


def imports(db: Database) -> list[ImportRecord]:
    """Every import, oldest first."""
    with db.read() as connection:
        rows = connection.execute(select(IMPORTS).order_by(IMPORTS.c.at, IMPORTS.c.digest)).mappings()
        return [ImportRecord(**{name: row[name] for name in row if name != "digest"}) for row in rows]


def add_presentations(db: Database, rows: Sequence[Presentation]) -> int:
    """Write presentations; returns how many were new.

    The first row of a ``(site, item, slot)`` counts and is never changed: it may have been shown already.
    Read them back with :func:`presentations` before use.
    """
    written = [{**asdict(row), "shown": list(row.shown)} for row in rows]
    with db.write() as connection:
        count = select(func.count()).select_from(PRESENTATIONS)
        before = connection.execute(count).scalar_one()
        db.insert_new(connection, PRESENTATIONS, written)
        return int(connection.execute(count).scalar_one() - before)


def presentations(db: Database, site: str | None = None) -> list[Presentation]:
    """Presentations of a site or of all, in the order of site, item and slot."""
    query = select(PRESENTATIONS).order_by(PRESENTATIONS.c.site, PRESENTATIONS.c.item, PRESENTATIONS.c.slot)
    if site is not None:
        query = query.where(PRESENTATIONS.c.site == site)
    with db.read() as connection:
        rows = connection.execute(query).mappings()
        return [Presentation(**{**row, "shown": tuple(row["shown"])}) for row in rows]


def set_presentation_ref(db: Database, presentation: str, source_ref: str, *, replace: bool = False) -> None:
    """Note where a presentation is shown (its id in the source); the same reference again is no error.

    Raises:
        InputError: There is no such presentation, or it is shown elsewhere and ``replace`` is not given.
    """
    here = PRESENTATIONS.c.presentation == presentation
    with db.write() as connection:
        row = connection.execute(select(PRESENTATIONS.c.source_ref).where(here)).one_or_none()
        if row is None:
            raise InputError("no such presentation", field="presentation", value=presentation)
        if row.source_ref not in {None, source_ref} and not replace:
            raise InputError(
                f"presentation {presentation} is already shown elsewhere",
                field="source_ref",
                value=source_ref,
                expected=row.source_ref,
            )
        connection.execute(update(PRESENTATIONS).where(here).values(source_ref=source_ref))


def note_presentation_refs(db: Database, refs: Mapping[str, str]) -> int:
    """Note where presentations are shown, those that have no place yet; returns how many were noted."""
    here = PRESENTATIONS.c.presentation == bindparam("id")
    statement = (
        update(PRESENTATIONS)
        .where(here, PRESENTATIONS.c.source_ref.is_(None))
        .values(source_ref=bindparam("ref"))
    )
    with db.write() as connection:
        if not refs:
            return 0
        rows = [{"id": presentation, "ref": ref} for presentation, ref in sorted(refs.items())]
        return int(connection.execute(statement, rows).rowcount)


def _parts(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + _PARAMETERS] for start in range(0, len(values), _PARAMETERS)]
