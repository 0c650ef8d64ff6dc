"""What killed runs left in the object store: half-written trees, and whole ones that were never recorded.

Nothing refers to them, so nothing else would ever find or flag them; but they hold rows of people. Whoever records a
tree looks whether it is still there (:func:`require_stored`), so that taking one away from under a living run makes it
write again, never record what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from annotation.ports import ObjectStore
from governance.errors import OutsideError
from infra import erasure, ledger
from infra.database import Database
from infra.tables.releases import BATCHES

__all__ = [
    "half_written",
    "require_stored",
    "unrecorded_batches",
    "unrecorded_releases",
]


def half_written(store: ObjectStore) -> Sequence[str]:
    """Names of what was begun of batches and releases and not ended."""
    return store.half_written("batches", "releases")


def unrecorded_batches(store: ObjectStore, db: Database, annotator: str) -> list[str]:
    """Trees of batches that hold a person and that no run came to record."""
    with db.read() as connection:
        known = set(connection.execute(select(BATCHES.c.digest)).scalars())
    return [
        tree for tree in store.list("batches") if tree not in known and erasure.holds(store, tree, annotator)
    ]


def unrecorded_releases(store: ObjectStore, db: Database) -> list[str]:
    """Trees of releases that no run came to record: nobody was given them, and whom they hold cannot be told."""
    known = {tree for row in ledger.releases(db) for tree in (row.tree, row.digest)}
    return [tree for tree in store.list("releases") if tree not in known]


def require_stored(store: ObjectStore, prefix: str, tree: str) -> None:
    """Look whether a tree is there just before it is recorded.

    Raises:
        OutsideError: It was erased meanwhile, because somebody withdrew.
    """
    if not store.has(prefix, tree):
        raise OutsideError(f"{prefix}: {tree} was erased before it was recorded: run again")
