"""The figures of a release, computed from the released columns: whoever holds it can check them.

Only what happened before the release comes from elsewhere: rows read, quarantined and left out, and how many
annotators are documented at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from annotation.agreement import Level
from annotation.agreement_report import assess
from annotation.coverage import coverage
from annotation.records import AnswerStatus, JudgementKind, Outcome
from annotation.release_inputs import FilteredCount
from annotation.suppression import SUPPRESSED, suppress_counts

__all__ = ["OTHER", "agreement_frames", "figures_of"]

OTHER: Final = "(any other)"
REPLICATES: Final = 1000
MAX_STRATA_COLUMNS: Final = 6
_ABSENT: Final = (str(AnswerStatus.NOT_ASKED), str(AnswerStatus.EXPIRED), str(AnswerStatus.REVOKED))


def agreement_frames(judgements: pl.DataFrame, items: pl.DataFrame) -> dict[str, tuple[Level, pl.DataFrame]]:
    """Name of a measure to its level and its judgements in long form (item, annotator, value).

    ``preference``: nominal over first candidate, second, …, tie, neither; "cannot judge" is missing.
    ``strength``: ordinal over -3 to 3. ``rating``: interval over scores, one item per candidate and attribute.
    """
    order = (
        items.select("item", "candidates")
        .explode("candidates")
        .select(
            "item",
            preferred=pl.col("candidates").struct.field("candidate"),
            rank=pl.int_range(pl.len()).over("item").cast(pl.String),
        )
    )
    pairwise = judgements.filter(pl.col("kind") == str(JudgementKind.PAIRWISE)).join(
        order, on=["item", "preferred"], how="left", maintain_order="left"
    )
    outcome = pl.col("outcome")
    preference = pairwise.filter(outcome != str(Outcome.CANNOT_JUDGE)).select(
        "item",
        "annotator",
        value=pl.when(outcome == str(Outcome.PREFERS))
        .then(pl.lit("candidate ") + pl.col("rank"))
        .otherwise(outcome),
    )
    strength = pairwise.filter(pl.col("strength").is_not_null()).select(
        "item", "annotator", value=pl.col("strength").cast(pl.Float64)
    )
    scores = judgements.filter(pl.col("scores").is_not_null()).explode("scores")
    score = pl.col("scores").struct
    rating = scores.select(
        pl.concat_str("item", score.field("candidate"), score.field("attribute"), separator="|").alias(
            "item"
        ),
        "annotator",
        value=score.field("score"),
    )
    frames = {
        "preference": (Level.NOMINAL, preference),
        "strength": (Level.ORDINAL, strength),
        "rating": (Level.INTERVAL, rating),
    }
    return {name: (level, frame) for name, (level, frame) in frames.items() if frame.height}


def figures_of(
    *,
    judgements: pl.DataFrame,
    items: pl.DataFrame,
    annotators: pl.DataFrame,
    fields: Sequence[str],
    strata: Sequence[str],
    documented: int,
    pairs: int,
    left_out: Mapping[str, int],
    targets: Mapping[str, Mapping[str, float]],
    filtered: Sequence[FilteredCount],
    read: int,
    quarantined: int,
    without_consent: int,
    k: int | None,
    seed: int,
) -> dict[str, Any]:
    """Every figure of the card as one JSON object.

    Args:
        judgements: Released judgements.
        items: Released items.
        annotators: Released annotators.
        fields: Published codebook fields.
        strata: Fields to report agreement by.
        documented: Annotators who answered at least one question, whether published or not.
        pairs: Number of preference pairs.
        left_out: Judgements that made no pair, by reason.
        targets: Codebook field to population share by value.
        filtered: Rows read and quarantined by codebook answer, from validation.
        read: Rows read.
        quarantined: Rows not accepted.
        without_consent: Judgements left out for want of a live consent.
        k: Smallest published cell.
        seed: Seed of the bootstrap.
    """
    by = [field for field in strata if field in fields][:MAX_STRATA_COLUMNS]
    by = [field for field in by if annotators[field].n_unique() > 1]
    people = annotators.select("annotator", *by)
    agreement = {}
    for name, (level, frame) in agreement_frames(judgements, items).items():
        joined = frame.join(people, on="annotator", how="left", maintain_order="left")
        agreement[name] = assess(joined, level=level, by=by, replicates=REPLICATES, seed=seed).as_json()
    published = annotators.filter(
        pl.any_horizontal(~pl.col(field).is_in([*_ABSENT, SUPPRESSED]) for field in fields)
        if fields
        else pl.lit(value=False)
    ).height
    strengths = judgements["strength"].drop_nulls().value_counts().sort("strength")
    outcomes = judgements["outcome"].drop_nulls().value_counts().sort("outcome")
    return {
        "counts": {
            "judgements": judgements.height,
            "items": items.height,
            "annotators": annotators.height,
            "simulated_annotators": int(annotators["simulated"].sum()),
            "simulated_items": int(items["simulated"].sum()),
            "pairs": pairs,
            "read": read,
            "quarantined": quarantined,
            "without_consent": without_consent,
        },
        "left_out_of_pairs": dict(left_out),
        "quarantine_share": quarantined / read if read else None,
        "documented_share": documented / annotators.height if annotators.height else None,
        "published_share": published / annotators.height if annotators.height else None,
        "judgements_per_item": judgements.height / items.height if items.height else None,
        "busiest_share": _busiest(judgements),
        "outcomes": {str(name): int(count) for name, count in outcomes.iter_rows()},
        "strengths": {str(int(name)): int(count) for name, count in strengths.iter_rows()},
        "agreement": agreement,
        "coverage": {field: _coverage(annotators, field, targets[field]) for field in targets},
        "people": {
            field: dict(sorted(annotators[field].value_counts().iter_rows())) for field in ("site", *fields)
        },
        "filtered_out": _filtered(filtered, annotators, fields, k),
    }


def _busiest(judgements: pl.DataFrame) -> float | None:
    if judgements.is_empty():
        return None
    counts = judgements["annotator"].value_counts()["count"].to_list()
    return float(max(counts)) / judgements.height


def _coverage(annotators: pl.DataFrame, field: str, shares: Mapping[str, float]) -> dict[str, Any]:
    """Coverage of one codebook field; the target's rest up to 1 stands for every value it does not name."""
    if field not in annotators.columns:
        return {"reason": "no annotator's answer to this question is published"}
    target: dict[tuple[str, ...], float] = {(value,): share for value, share in shares.items()}
    rest = 1 - math.fsum(shares.values())
    known = annotators.filter(~pl.col(field).is_in([*_ABSENT, SUPPRESSED]))
    if known.is_empty():
        return {"reason": "no annotator's answer to this question is published"}
    if rest > 1e-9:
        target[(OTHER,)] = rest
    observed: dict[tuple[str, ...], int] = {}
    for value, count in known[field].value_counts().iter_rows():
        cell = (value,) if value in shares else (OTHER,)
        observed[cell] = observed.get(cell, 0) + int(count)
    found = coverage(observed, target, names=(field,)).as_json()
    return {**found, "undocumented": annotators.height - known.height}


def _filtered(
    filtered: Sequence[FilteredCount], annotators: pl.DataFrame, fields: Sequence[str], k: int | None
) -> dict[str, dict[str, float | None]]:
    """Share of rows quarantined by published stratum; strata of fewer than k annotators are joined."""
    result: dict[str, dict[str, float | None]] = {}
    for field in fields:
        people = {str(value): int(count) for value, count in annotators[field].value_counts().iter_rows()}
        published = {name for name, count in suppress_counts(people, k=k or 1).items() if count}
        sums: dict[str, list[int]] = {}
        for count in filtered:
            if count.field != field:
                continue
            answered = count.status == str(AnswerStatus.ANSWERED)
            name = str(count.value) if answered else count.status
            row = sums.setdefault(name if name in published and name != SUPPRESSED else SUPPRESSED, [0, 0])
            row[0] += count.read
            row[1] += count.quarantined
        if sums:
            result[field] = {
                # A rounded share and no counts: rows read minus rows released would count hidden people.
                name: round(out / read, 2) if read else None
                for name, (read, out) in sorted(sums.items())
            }
    return result
