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
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.card import card
from annotation.claims_check import Contradiction, contradictions
from annotation.croissant import as_bytes, croissant
from annotation.lint_tables import TABLES, LintTables
from annotation.recomputed import recomputed_figures
from annotation.release_verify import table_content
from governance.errors import RecordError

__all__ = ["lint_release"]

_DESCRIPTIONS: Final = ("card.md", "croissant.json")
_MOST: Final = 50


def lint_release(
    folder: Path,
    manifest: Mapping[str, Any],
    figures: Mapping[str, Any],
    texts: Mapping[str, str],
    broken: Mapping[str, str],
) -> list[Contradiction]:
    """Every contradiction found, in the order: files, rows, references, figures, card, description, claims.

    Tables are read part by part; what is held does not grow with them.

    Args:
        folder: Where the tables lie.
        manifest: The parsed ``release.json``.
        figures: The parsed ``figures.json``.
        texts: ``card.md`` and ``croissant.json``, and further texts that speak of the release (a README).
        broken: File to what is wrong with it.
    """
    faults = dict(broken)
    schemas: dict[str, pa.Schema] = {}
    rows: list[Contradiction] = []
    for name, entry in sorted(manifest["files"].items()):
        if not name.endswith(".parquet") or not (folder / name).is_file():
            continue
        try:
            rows += list(_rows(name, entry, *table_content(folder / name)))
            schemas[name] = pq.read_schema(folder / name)
        except RecordError as error:
            faults[name] = f"cannot be read: {error.message}"
    found = [
        Contradiction(where=name, what="file", says="named by release.json", but=f"it {why}")
        for name, why in faults.items()
    ]
    found += rows
    if any(f"{name}.parquet" not in schemas for name in TABLES):
        return found
    tables = LintTables(folder)
    try:
        again = recomputed_figures(
            tables.annotators,
            tables.parts,
            manifest,
            figures,
            compared=schemas["aggregates.parquet"].names,
            judgements=tables.rows["judgements"],
        )
    except RecordError as error:
        place = str(error.file)
        return [
            *found,
            Contradiction(where=place, what="rows", says="a table of a release", but=error.message),
        ]
    found += list(tables.lost())
    found += list(_licences(set(tables.origins)))
    found += [
        Contradiction(where="release.json", what=path, says=said, but=f"the columns say {true}")
        for part, true_part in tables.stated().items()
        for path, said, true in _leaves(_stated(manifest, part), true_part, part)
    ][:_MOST]
    found += [
        Contradiction(where="figures.json", what=path, says=said, but=f"the columns say {true}")
        for path, said, true in _leaves(figures, again)
    ][:_MOST]
    found += list(_rendered(manifest, again, schemas, texts))
    found += _claims(tables, texts)
    return found


def _rows(name: str, entry: Mapping[str, Any], rows: int, content: str) -> Iterator[Contradiction]:
    if entry.get("rows") != rows:
        yield Contradiction(
            where="release.json",
            what=f"rows of {name}",
            says=str(entry.get("rows")),
            but=f"the file holds {rows:,}",
        )
    elif entry.get("content") != content:
        yield Contradiction(
            where="release.json",
            what=f"content of {name}",
            says=str(entry.get("content")),
            but="the rows have another digest",
        )


def _stated(manifest: Mapping[str, Any], name: str) -> Any:
    found: Any = manifest
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _licences(named: set[tuple[str, str]]) -> Iterator[Contradiction]:
    for origin in sorted({origin for origin, _ in named}):
        licences = sorted(licence for other, licence in named if other == origin)
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
    schemas: Mapping[str, pa.Schema],
    texts: Mapping[str, str],
) -> Iterator[Contradiction]:
    """Card and description as they would be written from the data."""
    written = {name: entry for name, entry in manifest["files"].items() if name not in _DESCRIPTIONS}
    about = {**manifest, "files": written}
    if "card.md" in texts:
        yield from _lines("card.md", texts["card.md"], card(figures, about))
    if "croissant.json" in texts:
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
            if not here.strip() and not there.strip():
                continue
            yield Contradiction(
                where=f"{name}:{min(a + shift, max(a, b - 1)) + 1}",
                what="line",
                says=here.strip() or "nothing",
                but=f"the data say {there.strip() or 'nothing of this'}",
            )


def _claims(tables: LintTables, texts: Mapping[str, str]) -> list[Contradiction]:
    """Claims of free texts beside the card, such as a README in the folder."""
    counts = {name: tables.rows[name] for name in ("judgements", "annotators", "items", "pairs")}
    licences = sorted({licence for _, licence in tables.origins})
    found: list[Contradiction] = []
    for name, text in sorted(texts.items()):
        if name not in _DESCRIPTIONS:
            found += contradictions(
                text, {}, name=name, counts=counts, licences=licences, columns=tables.columns
            )
    return found
