"""Contradictions inside a release: between its card, its figures, its descriptions and its rows.

Everything the card says is said again from the released columns, and the two are compared line by line. What
the columns cannot tell (rows read and quarantined, consent, who was filtered out) is checked for agreeing
with itself. Claims in free text, such as an answer to a question of the card, are held against the data too.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.card import card
from annotation.claims_check import Contradiction, contradictions
from annotation.croissant import as_bytes, croissant
from annotation.parquet_stream import content_digest
from annotation.recomputed import recomputed_figures

__all__ = ["lint_release"]

_TABLES: Final = ("aggregates", "annotators", "items", "judgements", "pairs", "splits")
_DESCRIPTIONS: Final = ("card.md", "croissant.json")
_MOST: Final = 50


def lint_release(
    manifest: Mapping[str, Any],
    figures: Mapping[str, Any],
    tables: Mapping[str, pa.Table],
    texts: Mapping[str, str],
    broken: Mapping[str, str],
) -> list[Contradiction]:
    """Every contradiction found, in the order: files, rows, references, figures, card, description, claims.

    Args:
        manifest: The parsed ``release.json``.
        figures: The parsed ``figures.json``.
        tables: File name to table, of the files that can be read.
        texts: ``card.md`` and ``croissant.json``, and further texts that speak of the release (a README).
        broken: File to what is wrong with it.
    """
    found = [
        Contradiction(where=name, what="file", says="named by release.json", but=f"it {why}")
        for name, why in broken.items()
    ]
    frames = {name: pl.DataFrame(table) for name, table in tables.items()}
    found += list(_rows(manifest, frames))
    if any(f"{name}.parquet" not in frames for name in _TABLES):
        return found
    found += list(_references(frames))
    found += list(_licences(frames["items.parquet"]))
    again = recomputed_figures(frames, manifest, figures)
    found += [
        Contradiction(where="figures.json", what=path, says=said, but=f"the columns say {true}")
        for path, said, true in _leaves(figures, again)
    ][:_MOST]
    found += list(_rendered(manifest, again, tables, texts))
    found += _claims(frames, texts)
    return found


def _rows(manifest: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> Iterator[Contradiction]:
    for name, frame in sorted(frames.items()):
        entry = manifest["files"].get(name, {})
        if entry.get("rows") != frame.height:
            yield Contradiction(
                where="release.json",
                what=f"rows of {name}",
                says=str(entry.get("rows")),
                but=f"the file holds {frame.height:,}",
            )
        elif entry.get("content") != content_digest(frame):
            yield Contradiction(
                where="release.json",
                what=f"content of {name}",
                says=str(entry.get("content")),
                but="the rows have another digest",
            )


def _references(frames: Mapping[str, pl.DataFrame]) -> Iterator[Contradiction]:
    """Every row points at rows that are there."""
    links = (
        ("judgements", "item", "items", "item"),
        ("judgements", "annotator", "annotators", "annotator"),
        ("pairs", "judgement", "judgements", "judgement"),
    )
    for table, column, other, key in links:
        lost = frames[f"{table}.parquet"].join(
            frames[f"{other}.parquet"], left_on=column, right_on=key, how="anti"
        )
        if lost.height:
            yield Contradiction(
                where=f"{table}.parquet",
                what=column,
                says=str(lost[column][0]),
                but=f"{other}.parquet has no such {key} ({lost.height:,} rows)",
            )


def _licences(items: pl.DataFrame) -> Iterator[Contradiction]:
    named = items.group_by("origin").agg(pl.col("licence").unique().sort()).sort("origin")
    for origin, licences in named.iter_rows():
        if len(licences) > 1:
            yield Contradiction(
                where="items.parquet",
                what=f"licence of {origin}",
                says=licences[0],
                but=f"other items of it say {', '.join(licences[1:])}",
            )


def _leaves(said: Any, true: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Differing leaves of two JSON values; numbers within a relative 1e-9 are equal."""
    if isinstance(said, Mapping) and isinstance(true, Mapping):
        for key in sorted(set(said) | set(true)):
            yield from _leaves(said.get(key), true.get(key), f"{path}.{key}" if path else str(key))
        return
    if isinstance(said, list) and isinstance(true, list) and len(said) == len(true):
        for number, (one, other) in enumerate(zip(said, true, strict=True)):
            yield from _leaves(one, other, f"{path}[{number}]")
        return
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (said, true))
    if numbers and math.isclose(said, true, rel_tol=1e-9, abs_tol=1e-12):
        return
    if said != true:
        yield path, json.dumps(said), json.dumps(true)


def _rendered(
    manifest: Mapping[str, Any],
    figures: Mapping[str, Any],
    tables: Mapping[str, pa.Table],
    texts: Mapping[str, str],
) -> Iterator[Contradiction]:
    """Card and description as they would be written from the data."""
    written = {name: entry for name, entry in manifest["files"].items() if name not in _DESCRIPTIONS}
    about = {**manifest, "files": written}
    if "card.md" in texts:
        yield from _lines("card.md", texts["card.md"], card(figures, about))
    if "croissant.json" in texts:
        schemas = {name: table.schema for name, table in tables.items()}
        yield from _lines(
            "croissant.json", texts["croissant.json"], as_bytes(croissant(schemas, figures, about)).decode()
        )


def _lines(name: str, said: str, true: str) -> Iterator[Contradiction]:
    one, other = said.split("\n"), true.split("\n")
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        for shift in range(max(b - a, d - c)):
            here = one[a + shift] if a + shift < b else ""
            there = other[c + shift] if c + shift < d else ""
            yield Contradiction(
                where=f"{name}:{min(a + shift, max(a, b - 1)) + 1}",
                what="line",
                says=here.strip() or "nothing",
                but=f"the data say {there.strip() or 'nothing of this'}",
            )


def _claims(frames: Mapping[str, pl.DataFrame], texts: Mapping[str, str]) -> list[Contradiction]:
    """Claims of free texts beside the card, such as a README in the folder."""
    counts = {
        name: frames[f"{name}.parquet"].height for name in ("judgements", "annotators", "items", "pairs")
    }
    licences = sorted(frames["items.parquet"]["licence"].unique().to_list())
    tables = {name: frames[name] for name in ("annotators.parquet", "judgements.parquet", "items.parquet")}
    found: list[Contradiction] = []
    for name, text in sorted(texts.items()):
        if name not in _DESCRIPTIONS:
            found += contradictions(text, tables, name=name, counts=counts, licences=licences)
    return found
