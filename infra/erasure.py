"""Erases one person from the platform's own stores: database, identity, object store. Each part is idempotent.

Not touched are the bare facts that a pseudonym consented and withdrew (``annotators``, ``consent_events``,
``withdrawal_requests``): they prove that what was done with the person's data was allowed while it was, and
once the identity and the key are gone nobody can say whose they are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, Table, delete, select, update

from annotation.ports import ObjectStore
from infra import collected, ledger
from infra.database import Database
from infra.feedback import erase_items
from infra.importing import PREFIX as IMPORTS_PREFIX
from infra.tables.collected import FEEDBACK_EVENTS, IMPORTS
from infra.tables.items import PRESENTATIONS
from infra.tables.live import LIVE_CONVERSATIONS, LIVE_REPLIES, LIVE_TURNS
from infra.tables.people import CODEBOOK_ANSWERS, INVITATIONS, PANEL, PROFILES
from infra.tables.portal import (
    ITEM_REPORTS,
    PLACEMENTS,
    PORTAL_DRAFTS,
    PORTAL_JUDGEMENTS,
    PORTAL_SESSIONS,
    RESERVATIONS,
)

__all__ = ["batches_with", "erase_refusals", "erase_rows", "holds", "refusals_with", "releases_with"]

_BATCH_FILES = ("judgements.parquet", "quarantine.parquet", "profiles.parquet")

# In the order in which one row refers to another.
_OF_A_PERSON: tuple[tuple[Table, str], ...] = (
    (PORTAL_JUDGEMENTS, "judgements of the portal"),
    (PORTAL_DRAFTS, "drafts"),
    (ITEM_REPORTS, "reports of items"),
    (PLACEMENTS, "places in groups"),
    (RESERVATIONS, "reservations"),
    (LIVE_REPLIES, "answers of models to what the person wrote"),
    (LIVE_TURNS, "messages to models"),
    (LIVE_CONVERSATIONS, "live conversations"),
    (PORTAL_SESSIONS, "sessions"),
    (INVITATIONS, "invitations"),
    (CODEBOOK_ANSWERS, "codebook answers"),
    (PROFILES, "profile"),
    (PANEL, "accounts of tools"),
    (FEEDBACK_EVENTS, "feedback from applications"),
)


def erase_rows(
    db: Database,
    site: str,
    annotator: str,
    note: Callable[[Connection, Mapping[str, int]], None] | None = None,
) -> dict[str, int]:
    """Delete a person's rows in one transaction; what → how many.

    Args:
        db: The platform's database.
        site: The person's site.
        annotator: The person.
        note: Told of the counts within the transaction, so that what was deleted and what is said of it never differ.
    """
    with db.write() as connection:
        gone = {"index of raw events": collected.forget_events(connection, site, annotator)}
        mine = select(RESERVATIONS.c.presentation).where(
            RESERVATIONS.c.site == site, RESERVATIONS.c.annotator == annotator
        )
        spoken = select(LIVE_TURNS.c.presentation).where(
            LIVE_TURNS.c.site == site, LIVE_TURNS.c.annotator == annotator
        )
        shown = [name for name in connection.execute(spoken).scalars() if name is not None]
        for table, what in _OF_A_PERSON:
            here = table.c.annotator == annotator
            here &= table.c.presentation.in_(mine) if table is PORTAL_DRAFTS else table.c.site == site
            gone[what] = connection.execute(delete(table).where(here)).rowcount
        # Nobody else was shown the turns of a conversation; without their presentations their items can go, too.
        alone = delete(PRESENTATIONS).where(PRESENTATIONS.c.presentation.in_(shown))
        gone["presentations of conversations"] = connection.execute(alone).rowcount
        gone["items that only the person brought"] = erase_items(connection, site, annotator)
        if note is not None:
            note(connection, gone)
    return gone


def batches_with(store: ObjectStore, db: Database, site: str, annotator: str) -> list[str]:
    """The batches of a site that hold a person, in whatever file and column."""
    return [
        batch.digest
        for batch in ledger.batches(db)
        if batch.site == site and store.has("batches", batch.digest) and holds(store, batch.digest, annotator)
    ]


def holds(store: ObjectStore, batch: str, annotator: str) -> bool:
    """Whether a tree of a batch holds a person, in whatever file and column."""
    return any(
        _mentions(table, annotator)
        for name in _BATCH_FILES
        for table in _groups(store.get_file("batches", batch, name))
    )


def _groups(data: bytes) -> Iterator[pa.Table]:
    file = pq.ParquetFile(io.BytesIO(data))
    for group in range(file.num_row_groups):
        yield file.read_row_group(group)


def _mentions(table: pa.Table, annotator: str) -> bool:
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_string(column.type) and column.null_count < len(column):
            hits = pc.match_substring(column, annotator)
            if name == "annotator":
                hits = pc.equal(column, pa.scalar(annotator))
            if pc.any(hits).as_py():
                return True
    return False


def releases_with(db: Database, batches: set[str]) -> list[str]:
    """The releases built from one of these batches."""
    return [release.digest for release in ledger.releases(db) if batches & set(release.batches)]


def refusals_with(store: ObjectStore, db: Database, annotator: str) -> list[str]:
    """The objects of imports whose list of refused rows names a person."""
    with db.read() as connection:
        places = connection.execute(select(IMPORTS.c.object).distinct().order_by(IMPORTS.c.object)).scalars()
        here = [place for place in places if store.has(IMPORTS_PREFIX, place)]
    needle = annotator.encode()
    return [place for place in here if needle in store.get_file(IMPORTS_PREFIX, place, "refused.jsonl")]


def erase_refusals(store: ObjectStore, db: Database, annotator: str, places: Iterable[str]) -> None:
    """Take a person out of the reasons why rows of imported files were refused.

    Args:
        store: The objects.
        db: The platform's database.
        annotator: The person.
        places: What :func:`refusals_with` found, now or before an earlier run was killed.
    """
    for place in places:
        if not store.has(IMPORTS_PREFIX, place):
            continue
        refused = store.get_file(IMPORTS_PREFIX, place, "refused.jsonl")
        files: Mapping[str, bytes] = {
            "items.parquet": store.get_file(IMPORTS_PREFIX, place, "items.parquet"),
            "refused.jsonl": refused.replace(annotator.encode(), b"(erased)"),
        }
        successor = store.put_tree(IMPORTS_PREFIX, files)
        with db.write() as connection:
            connection.execute(update(IMPORTS).where(IMPORTS.c.object == place).values(object=successor))
        store.delete(IMPORTS_PREFIX, place)
