"""Two releases of this platform, with the rows behind them; for the staff who run it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from annotation.ports import ObjectStore
from annotation.release_changes import Changes, Side, changes
from governance.digest import digest_bytes
from governance.errors import InputError
from infra import ledger
from infra.database import Database
from infra.release_folder import MANIFEST, ReleaseFolder

__all__ = ["compare", "find_release"]


def find_release(db: Database, name: str) -> ledger.Release:
    """The release whose digest is, or begins with, ``name``.

    Raises:
        InputError: There is none, or several.
    """
    wanted = name.removeprefix("sha256:")
    found = [row for row in ledger.releases(db) if row.digest.removeprefix("sha256:").startswith(wanted)]
    if len(found) != 1 or not wanted:
        raise InputError(
            "no such release" if not found else f"{len(found)} releases begin so",
            value=name,
            expected="a folder, or the digest of one release of this platform",
        )
    return found[0]


def compare(store: ObjectStore, db: Database, before: str, after: str) -> tuple[list[ReleaseFolder], Changes]:
    """Both releases and the changes of the rows behind them.

    Raises:
        InputError: A release is not there.
        OutsideError: Its files or batches were erased.
    """
    rows = [find_release(db, name) for name in (before, after)]
    sides = [_side(store, row) for row in rows]
    return [_folder(store, row) for row in rows], changes(*sides)


def _folder(store: ObjectStore, row: ledger.Release) -> ReleaseFolder:
    tree = row.tree or row.digest
    raw = store.get_file("releases", tree, MANIFEST)
    manifest: Mapping[str, Any] = json.loads(raw)
    names = ("figures.json", "judgements.parquet", "items.parquet")
    return ReleaseFolder(
        path=Path(f"releases/{tree}"),
        digest=digest_bytes(raw),
        manifest=manifest,
        files={name: store.get_file("releases", tree, name) for name in names},
        broken={},
    )


def _side(store: ObjectStore, row: ledger.Release) -> Side:
    judgements, quarantined = [], {}
    for batch in row.batches:
        judgements.append(_table(store, batch, "judgements.parquet"))
        failed = _table(store, batch, "quarantine.parquet").select("judgement", "rules").drop_nulls()
        quarantined.update(dict(failed.iter_rows()))
    return Side(judgements=pl.concat(judgements), quarantined=quarantined)


def _table(store: ObjectStore, batch: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(store.get_file("batches", batch, name)))
