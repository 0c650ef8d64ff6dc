"""What killed runs left in the object store: half-written trees, and whole ones that were never recorded.

Nothing refers to them, so nothing else would ever find or flag them; but they hold rows of people. Whoever records a
tree looks whether it is still there (:func:`require_stored`), so that taking one away from under a living run makes it
write again, never record what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select

from annotation.ports import ObjectStore
from governance.errors import OutsideError
from infra import erasure, ledger
from infra.database import Database
from infra.objects_directory import DirectoryStore
from infra.objects_s3 import S3Store
from infra.tables import BATCHES

__all__ = [
    "erase_half_written",
    "half_written",
    "require_stored",
    "unrecorded_batches",
    "unrecorded_releases",
]

_TREES: Final = ("batches", "releases")


def half_written(store: ObjectStore) -> list[str]:
    """Names of what was begun and not ended: writers' folders of dead processes, keys of trees without a manifest."""
    if isinstance(store, DirectoryStore):
        return list(store.left_by_the_dead())
    if isinstance(store, S3Store):
        return [key for prefix in _TREES for key in store.without_manifest(prefix)]
    return []


def erase_half_written(store: ObjectStore, names: Iterable[str]) -> None:
    """Erase what :func:`half_written` named."""
    if isinstance(store, DirectoryStore):
        store.clear(names)
    elif isinstance(store, S3Store):
        store.erase_without_manifest(names)


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
