"""The figures of a release, once more, from its released tables and nothing else, part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from annotation.release_extras import ReleaseExtras
from annotation.release_figures import OTHER, FigureParts
from annotation.release_people import RESERVED

__all__ = ["recomputed_figures"]


Part = Mapping[str, pl.DataFrame]
"""Rows of some whole items by file name: ``judgements.parquet``, ``items.parquet``, and of ``pairs.parquet`` at
least the numbers of their judgements."""


def recomputed_figures(
    annotators: pl.DataFrame,
    parts: Callable[[], Iterable[Part]],
    manifest: Mapping[str, Any],
    figures: Mapping[str, Any],
    *,
    compared: Sequence[str],
    judgements: int,
) -> dict[str, Any]:
    """What ``figures.json`` should say.

    What happened before the release (rows read, quarantined, left out for want of consent, who they are,
    who was filtered out, documented annotators) is taken from ``figures``; shares of it are computed anew.

    Args:
        annotators: ``annotators.parquet``.
        parts: Gives the other tables part by part, as often as asked.
        manifest: The manifest: seed and k.
        figures: What ``figures.json`` says.
        compared: Columns of ``aggregates.parquet``.
        judgements: Rows of ``judgements.parquet``.
    """
    # Columns stand in the order of importance; the sorted JSON has lost it.
    fields = [name for name in annotators.columns if name not in RESERVED]
    by = {name for found in figures["agreement"].values() for name in found["by"]}
    counts = figures["counts"]
    documented = figures["documented_share"]
    grouped = {name.removeprefix("consensus_") for name in compared}
    taken = FigureParts(
        annotators=annotators,
        fields=fields,
        strata=[field for field in fields if field in by],
        seed=manifest["seed"],
    )
    extras = ReleaseExtras(
        annotators=annotators, strata=[field for field in fields if field in grouped], judgements=judgements
    )
    pairs, left_out = 0, Counter[str]()
    for part in parts():
        said, shown = part["judgements.parquet"], part["items.parquet"]
        taken.add(said, shown)
        extras.add(said, shown)
        pairs += part["pairs.parquet"].height
        left_out.update(_left_out(said, part["pairs.parquet"]["judgement"]))
    again = taken.finish(
        documented=0 if documented is None else round(documented * annotators.height),
        pairs=pairs,
        left_out=dict(sorted(left_out.items())),
        targets={field: _target(found) for field, found in _in_order(figures["coverage"], fields).items()},
        filtered=(),
        read=counts["read"],
        quarantined=counts["quarantined"],
        without_consent=counts["without_consent"],
        missing=_missing(figures.get("without_consent"), fields),
        k=manifest["k"],
    )
    for part in parts():
        extras.table(part["judgements.parquet"], part["items.parquet"])
    again |= extras.figures()
    return {**again, "filtered_out": _in_order(figures["filtered_out"], fields)}


def _left_out(judgements: pl.DataFrame, made: pl.Series) -> dict[str, int]:
    """Judgements that made no pair, by reason."""
    reason = (
        pl.when(pl.col("kind") != "pairwise")
        .then(pl.lit("not_pairwise"))
        .when(pl.col("outcome") != "prefers")
        .then(pl.col("outcome"))
        .otherwise(pl.lit("not_two_answers"))
    )
    rows = judgements.filter(~pl.col("judgement").is_in(made.implode()))
    return dict(rows.select(reason.alias("why"))["why"].value_counts().iter_rows())


def _missing(found: Mapping[str, Any] | None, fields: list[str]) -> dict[str, Any] | None:
    return None if found is None else {**found, "by": _in_order(found["by"], ["site", *fields])}


def _in_order(found: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
    return {name: found[name] for name in [*fields, *sorted(set(found) - set(fields))] if name in found}


def _target(coverage: Mapping[str, Any]) -> dict[str, float]:
    cells = {next(iter(cell["stratum"].values())): float(cell["share"]) for cell in coverage.get("cells", ())}
    cells.pop(OTHER, None)
    return cells
