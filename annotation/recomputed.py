"""The figures of a release, once more, from its released tables and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from annotation.release_extras import ReleaseExtras
from annotation.release_figures import OTHER, FigureParts
from annotation.release_people import RESERVED

__all__ = ["recomputed_figures"]


def recomputed_figures(
    frames: Mapping[str, pl.DataFrame], manifest: Mapping[str, Any], figures: Mapping[str, Any]
) -> dict[str, Any]:
    """What ``figures.json`` should say.

    What happened before the release (rows read, quarantined, left out for want of consent, who was filtered
    out, documented annotators) is taken from ``figures``; shares of it are computed anew.

    Args:
        frames: File name to table.
        manifest: The manifest: seed and k.
        figures: What ``figures.json`` says.
    """
    annotators = frames["annotators.parquet"]
    judgements = frames["judgements.parquet"]
    made = frames["pairs.parquet"]["judgement"]
    left_out = judgements.filter(~pl.col("judgement").is_in(made.implode()))
    reason = (
        pl.when(pl.col("kind") != "pairwise")
        .then(pl.lit("not_pairwise"))
        .when(pl.col("outcome") != "prefers")
        .then(pl.col("outcome"))
        .otherwise(pl.lit("not_two_answers"))
    )
    # Columns stand in the order of importance; the sorted JSON has lost it.
    fields = [name for name in annotators.columns if name not in RESERVED]
    by = {name for found in figures["agreement"].values() for name in found["by"]}
    counts = figures["counts"]
    documented = figures["documented_share"]
    strata = [field for field in fields if field in by]
    parts = FigureParts(annotators=annotators, fields=fields, strata=strata, seed=manifest["seed"])
    parts.add(judgements, frames["items.parquet"])
    again = parts.finish(
        documented=0 if documented is None else round(documented * annotators.height),
        pairs=made.len(),
        left_out=dict(left_out.select(reason.alias("why"))["why"].value_counts().sort("why").iter_rows()),
        targets={field: _target(found) for field, found in _in_order(figures["coverage"], fields).items()},
        filtered=(),
        read=counts["read"],
        quarantined=counts["quarantined"],
        without_consent=counts["without_consent"],
        k=manifest["k"],
    )
    compared = [name.removeprefix("consensus_") for name in frames["aggregates.parquet"].columns]
    extras = ReleaseExtras(
        annotators=annotators,
        strata=[field for field in fields if field in compared],
        judgements=judgements.height,
    )
    extras.add(judgements, frames["items.parquet"])
    extras.table(judgements, frames["items.parquet"])
    again |= extras.figures()
    return {**again, "filtered_out": _in_order(figures["filtered_out"], fields)}


def _in_order(found: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
    return {name: found[name] for name in [*fields, *sorted(set(found) - set(fields))] if name in found}


def _target(coverage: Mapping[str, Any]) -> dict[str, float]:
    cells = {next(iter(cell["stratum"].values())): float(cell["share"]) for cell in coverage.get("cells", ())}
    cells.pop(OTHER, None)
    return cells
