"""Two releases of this platform, with the rows behind them; for the staff who run it.

What is held are the differences and one bucket of the rows: judgements are compared bucket by bucket of a hash
of their ids, so that the rows behind two large releases never lie in memory side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from annotation.ports import ObjectStore
from annotation.release_changes import Changes, Side, changes
from annotation.release_walk import table_rows
from governance.errors import InputError, OutsideError
from infra import ledger
from infra.consents import live_consents
from infra.database import Database
from infra.release_folder import ReleaseFolder, read_release

__all__ = ["compare", "find_release"]

_ROWS_OF_A_BUCKET: Final = 500_000
_COLUMNS: Final = ["judgement", "source_digest", "item", "annotator", "site", "consent"]


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


def compare(
    store: ObjectStore, db: Database, before: str, after: str, scratch: Path
) -> tuple[list[ReleaseFolder], Changes]:
    """Both releases, copied into ``scratch``, and the changes of the rows behind them.

    Raises:
        InputError: A release is not there.
        OutsideError: Its files or batches were erased.
    """
    folders, sides = [], []
    for number, row in enumerate([find_release(db, name) for name in (before, after)]):
        place = scratch / str(number)
        folder = read_release(_fetched(store, "releases", row.tree or row.digest, place / "release"))
        folders.append(folder)
        batches = [
            _fetched(store, "batches", batch, place / f"batch-{at}") for at, batch in enumerate(row.batches)
        ]
        asked = folder.manifest.get("consent")
        live = None
        if asked is not None:
            # Consents as they stood when the release was recorded, not as they stand today.
            live = frozenset(
                each["consent"]
                for each in live_consents(db, at=row.created_at)
                if each["purpose"] == asked["purpose"]
            )
        sides.append(_Behind(folders=tuple(batches), live=live))
    buckets = max(1, ceil(max(side.rows() for side in sides) / _ROWS_OF_A_BUCKET))
    people = [side.people() for side in sides]
    found = [
        changes(*(side.bucket(at, buckets, who) for side, who in zip(sides, people, strict=True)))
        for at in range(buckets)
    ]
    return folders, Changes(
        gone=pl.concat([each.gone for each in found]),
        new=pl.concat([each.new for each in found]),
        kept=sum(each.kept for each in found),
    )


def _fetched(store: ObjectStore, prefix: str, digest: str, folder: Path) -> Path:
    try:
        return store.fetch_tree(prefix, digest, folder)
    except KeyError as error:
        raise OutsideError(
            f"{prefix}/{digest} is not in the store any more: a withdrawal erases what held the person. The files "
            "of the two releases can still be compared, as folders"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Behind:
    """The batches behind one release, as folders, and the consents that were live for it."""

    folders: tuple[Path, ...]
    live: frozenset[str] | None

    def rows(self) -> int:
        """Judgements in the batches; one that lies in two counts twice."""
        return sum(pq.read_metadata(folder / "judgements.parquet").num_rows for folder in self.folders)

    def people(self) -> frozenset[str]:
        """Everybody of whom an accepted judgement is there."""
        return frozenset(
            name for frame in self._read("judgements", ["annotator"]) for name in frame["annotator"].unique()
        )

    def bucket(self, number: int, of: int, people: frozenset[str]) -> Side:
        """The rows whose judgement's hash falls into one bucket."""
        mine = pl.col("judgement").hash(seed=0) % of == number
        failed = [frame.filter(mine) for frame in self._read("quarantine", ["judgement", "rules"])]
        return Side(
            judgements=pl.concat([frame.filter(mine) for frame in self._read("judgements", _COLUMNS)]),
            quarantined=dict(pl.concat(failed).drop_nulls().iter_rows()),
            live=self.live,
            people=people,
        )

    def _read(self, table: str, columns: list[str]) -> Iterator[pl.DataFrame]:
        for folder in self.folders:
            yield from table_rows(folder / f"{table}.parquet", columns=columns)
