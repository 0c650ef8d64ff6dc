"""What changed between two releases: the terms, the policies, the items, the judgements, the figures.

Ids of annotators and judgements hold in one release only, so rows are compared by what they say: how many
equal answers an item has in each. Whose answers came or went cannot be seen here, and must not be: that is
for the staff of the site (:mod:`annotation.release_changes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from annotation.release_walk import table_rows, walk

__all__ = ["ReleaseDiff", "diff_releases"]

_ANSWER: Final = (
    "item",
    "item_digest",
    "kind",
    "shown",
    "outcome",
    "preferred",
    "strength",
    "scores",
    "ranking",
    "policy_digest",
)
_TERMS: Final = ("alignment_target", "as_of", "seed", "k", "consent", "codebooks", "splits", "format")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """Differences from one release to another, each ``(before, after)``.

    Attributes:
        terms: Term of the release to what it was and is.
        policies: Policy to its version and digest before and after; None where it is not there.
        judged_under: Digests of policies that judgements were made under: gone and new.
        sources: Statement about sources to before and after.
        items: Items gone, new and changed under the same id.
        judgements: Judgements gone and new (as multisets of what is said), and kept.
        by_item: Items with judgements gone or new, with how many.
        counts: Figure to before and after, where they differ.
        agreement: Measure to alpha before and after, where they differ.
        people: Annotators before and after by field and value, where they differ by at least k or are published in both.
        files: Files with other bytes.
    """

    terms: Mapping[str, tuple[Any, Any]]
    policies: Mapping[str, tuple[Any, Any]]
    judged_under: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, tuple[Any, Any]]
    items: Mapping[str, tuple[str, ...]]
    judgements: Mapping[str, int]
    by_item: Mapping[str, tuple[int, int]]
    counts: Mapping[str, tuple[Any, Any]]
    agreement: Mapping[str, tuple[Any, Any]]
    people: Mapping[str, tuple[Any, Any]]
    files: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.files)

    def as_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            name: {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}
            if isinstance(found := getattr(self, name), Mapping)
            else list(found)
            for name in self.__slots__
        }


def diff_releases(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    figures: tuple[Mapping[str, Any], Mapping[str, Any]],
    folders: tuple[Path, Path],
) -> ReleaseDiff:
    """Compare two releases; their tables are read part by part, and what is held are the differences.

    Args:
        before: Manifest of the one.
        after: Manifest of the other.
        figures: Their figures.
        folders: Where their ``judgements.parquet`` and ``items.parquet`` lie.

    Raises:
        RecordError: A table cannot be read, or is not in the order of its items.
    """
    moved, items, rows = _rows(*folders)
    names = sorted(set(before["files"]) | set(after["files"]))
    return ReleaseDiff(
        terms=_differing({name: (before.get(name), after.get(name)) for name in _TERMS}),
        policies=_policies(before, after),
        judged_under={
            "gone": tuple(sorted(set(before["judged_under"]) - set(after["judged_under"]))),
            "new": tuple(sorted(set(after["judged_under"]) - set(before["judged_under"]))),
        },
        sources=_differing(
            {
                name: (before["sources"].get(name), after["sources"].get(name))
                for name in ("items", "judgements", "languages", "models")
            }
        ),
        items=items,
        judgements={
            "gone": sum(gone for gone, _ in moved.values()),
            "new": (new := sum(new for _, new in moved.values())),
            "kept": rows - new,
        },
        by_item=moved,
        counts=_differing(
            {
                name: (figures[0]["counts"].get(name), figures[1]["counts"].get(name))
                for name in sorted(set(figures[0]["counts"]) | set(figures[1]["counts"]))
            }
        ),
        agreement=_differing(
            {
                name: tuple(side["agreement"].get(name, {}).get("alpha") for side in figures)
                for name in sorted(set(figures[0]["agreement"]) | set(figures[1]["agreement"]))
            }
        ),
        people=_people(*figures),
        files=tuple(
            name
            for name in names
            if before["files"].get(name, {}).get("sha256") != after["files"].get(name, {}).get("sha256")
        ),
    )


def _differing(pairs: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, Any]]:
    return {name: (a, b) for name, (a, b) in pairs.items() if a != b}


def _policies(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    a, b = (
        {policy["id"]: f"{policy['version']} {policy['digest']}" for policy in side["policies"]}
        for side in (before, after)
    )
    return _differing({name: (a.get(name), b.get(name)) for name in sorted(set(a) | set(b))})


def _rows(before: Path, after: Path) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[str, ...]], int]:
    """Item → judgements gone and new; items gone, new and changed; judgements of the second release."""
    moved: dict[str, tuple[int, int]] = {}
    items: dict[str, list[str]] = {"gone": [], "new": [], "changed": []}
    rows = 0
    tables = {
        (name, side): table_rows(folder / f"{name}.parquet", columns=columns)
        for name, columns in (("judgements", [*_ANSWER]), ("items", ["item", "digest"]))
        for side, folder in enumerate((before, after))
    }
    for part in walk(tables):
        differing = (
            _answers(part["judgements", 0], part["judgements", 1])
            .group_by("item")
            .agg(pl.col("gone").sum(), pl.col("new").sum())
            .filter(pl.sum_horizontal("gone", "new") > 0)
        )
        moved.update({item: (gone, new) for item, gone, new in differing.sort("item").iter_rows()})
        for what, found in _items(part["items", 0], part["items", 1]).items():
            items[what] += found
        rows += part["judgements", 1].height
    return moved, {what: tuple(found) for what, found in items.items()}, rows


def _items(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, list[str]]:
    a, b = (dict(side.iter_rows()) for side in (before, after))
    return {
        "gone": sorted(set(a) - set(b)),
        "new": sorted(set(b) - set(a)),
        "changed": sorted(item for item in set(a) & set(b) if a[item] != b[item]),
    }


def _answers(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Answers whose number differs: item, how many are gone, how many are new."""
    sides = []
    for name, side in (("a", before), ("b", after)):
        said = side.select(
            "item",
            said=pl.struct(_ANSWER).struct.json_encode(),
        )
        sides.append(said.group_by("item", "said").len(name))
    both = sides[0].join(sides[1], on=["item", "said"], how="full", coalesce=True)
    change = pl.col("b").fill_null(0).cast(pl.Int64) - pl.col("a").fill_null(0).cast(pl.Int64)
    return both.select("item", gone=(-change).clip(0), new=change.clip(0))


def _people(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {}
    for field in sorted(set(a["people"]) | set(b["people"])):
        one, other = a["people"].get(field, {}), b["people"].get(field, {})
        for value in sorted(set(one) | set(other)):
            pairs[f"{field}: {value}"] = (one.get(value), other.get(value))
    return _differing(pairs)
