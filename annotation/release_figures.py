"""The figures of a release, computed from the released columns: whoever holds it can check them.

Only what happened before the release comes from elsewhere: rows read, quarantined and left out, and how many
annotators are documented at all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from annotation.agreement import Level
from annotation.agreement_report import report_of
from annotation.agreement_tally import Tally, code, merge_tallies, tally
from annotation.coverage import coverage
from annotation.records import AnswerStatus, JudgementKind, Outcome
from annotation.release_inputs import FilteredCount
from annotation.suppression import SUPPRESSED, suppress_counts

__all__ = ["OTHER", "FigureParts", "agreement_frames"]

OTHER: Final = "(any other)"
REPLICATES: Final = 1000
MAX_STRATA_COLUMNS: Final = 6
MEASURES: Final = ("preference", "strength", "rating", "rating ranks", "ranking")
_ABSENT: Final = (str(AnswerStatus.NOT_ASKED), str(AnswerStatus.EXPIRED), str(AnswerStatus.REVOKED))


def agreement_frames(judgements: pl.DataFrame, items: pl.DataFrame) -> dict[str, tuple[Level, pl.DataFrame]]:
    """Name of a measure to its level and its judgements in long form (item, annotator, value).

    ``preference``: nominal over first candidate, second, …, tie, neither; "cannot judge" is missing.
    ``strength``: ordinal over -3 to 3. ``rating``: interval over scores, one item per candidate and attribute;
    ``rating ranks``: ordinal over each annotator's own ranks of an item's candidates, which does not mind that
    people use the scale differently. ``ranking``: ordinal over the ranks given, one item per candidate.
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
    key = pl.concat_str("item", score.field("candidate"), score.field("attribute"), separator="|")
    ranks = scores.select(
        key.alias("item"),
        "annotator",
        value=score.field("score").rank("average").over("annotator", "item", score.field("attribute")),
        many=pl.len().over("annotator", "item", score.field("attribute")),
    )
    placed = (
        judgements.filter(pl.col("ranking").is_not_null())
        .select("item", "annotator", "ranking", value=pl.int_ranges(1, pl.col("ranking").list.len() + 1))
        .explode("ranking", "value")
    )
    frames = {
        "preference": (Level.NOMINAL, preference),
        "strength": (Level.ORDINAL, strength),
        "rating": (Level.INTERVAL, rating),
        "rating ranks": (Level.ORDINAL, ranks.filter(pl.col("many") > 1).drop("many")),
        "ranking": (
            Level.ORDINAL,
            placed.select(
                pl.concat_str("item", "ranking", separator="|").alias("item"),
                "annotator",
                pl.col("value").cast(pl.Float64),
            ),
        ),
    }
    return {name: (level, frame) for name, (level, frame) in frames.items() if frame.height}


class FigureParts:
    """Collects the released parts one after another, then says every figure of the card.

    Args:
        annotators: Released annotators.
        fields: Published codebook fields.
        strata: Fields to report agreement by.
        seed: Seed of the bootstrap.
    """

    def __init__(
        self,
        *,
        annotators: pl.DataFrame,
        fields: Sequence[str],
        strata: Sequence[str],
        seed: int,
    ) -> None:
        by = [field for field in strata if field in fields][:MAX_STRATA_COLUMNS]
        self._by = [field for field in by if annotators[field].n_unique() > 1]
        self._annotators = annotators
        self._fields = tuple(fields)
        self._seed = seed
        self._people = annotators.select("annotator", *self._by)
        self._agreement: dict[str, Tally] = {}
        self._outcomes: Counter[str] = Counter()
        self._strengths: Counter[int] = Counter()
        self._judgements = self._items = self._simulated_items = 0

    def add(self, judgements: pl.DataFrame, items: pl.DataFrame) -> None:
        """The next part: released judgements and exactly their items."""
        self._judgements += judgements.height
        self._items += items.height
        self._simulated_items += int(items["simulated"].sum())
        self._outcomes.update(dict(judgements["outcome"].drop_nulls().value_counts().iter_rows()))
        self._strengths.update(dict(judgements["strength"].drop_nulls().value_counts().iter_rows()))
        for name, (level, frame) in agreement_frames(judgements, items).items():
            joined = frame.join(self._people, on="annotator", how="left", maintain_order="left")
            part = tally(code(joined, level=level), level=level, by=self._by)
            before = self._agreement.get(name)
            # Merged even where it is alone: patterns then stand in one order, and draws are the same.
            self._agreement[name] = merge_tallies([part] if before is None else [before, part])

    def finish(
        self,
        *,
        documented: int,
        pairs: int,
        left_out: Mapping[str, int],
        targets: Mapping[str, Mapping[str, float]],
        filtered: Sequence[FilteredCount],
        read: int,
        quarantined: int,
        without_consent: int,
        missing: Mapping[str, Any] | None,
        k: int | None,
    ) -> dict[str, Any]:
        """Every figure of the card as one JSON object.

        Args:
            documented: Annotators who answered at least one question, whether published or not.
            pairs: Number of preference pairs.
            left_out: Judgements that made no pair, by reason.
            targets: Codebook field to population share by value.
            filtered: Rows read and quarantined by codebook answer, from validation.
            read: Rows read.
            quarantined: Rows not accepted.
            without_consent: Judgements left out for want of a live consent.
            missing: Who is missing for want of one (:func:`annotation.release_missing.missing_figures`).
            k: Smallest published cell.
        """
        annotators, fields = self._annotators, self._fields
        published = annotators.filter(
            pl.any_horizontal(~pl.col(field).is_in([*_ABSENT, SUPPRESSED]) for field in fields)
            if fields
            else pl.lit(value=False)
        ).height
        order = [name for name in MEASURES if name in self._agreement]
        busiest = annotators["judgements"].max() if annotators.height else None
        return {
            "counts": {
                "judgements": self._judgements,
                "items": self._items,
                "annotators": annotators.height,
                "simulated_annotators": int(annotators["simulated"].sum()),
                "simulated_items": self._simulated_items,
                "pairs": pairs,
                "read": read,
                "quarantined": quarantined,
                "without_consent": without_consent,
            },
            "left_out_of_pairs": dict(left_out),
            "quarantine_share": quarantined / read if read else None,
            "documented_share": documented / annotators.height if annotators.height else None,
            "published_share": published / annotators.height if annotators.height else None,
            "judgements_per_item": self._judgements / self._items if self._items else None,
            "busiest_share": busiest / self._judgements if self._judgements else None,  # type: ignore[operator]
            "outcomes": {str(name): int(self._outcomes[name]) for name in sorted(self._outcomes)},
            "strengths": {str(int(name)): int(self._strengths[name]) for name in sorted(self._strengths)},
            "agreement": {
                name: report_of(self._agreement[name], replicates=REPLICATES, seed=self._seed).as_json()
                for name in order
            },
            "coverage": {field: _coverage(annotators, field, targets[field]) for field in targets},
            "people": {
                field: dict(sorted(annotators[field].value_counts().iter_rows()))
                for field in ("site", *fields)
            },
            "without_consent": missing,
            "filtered_out": _filtered(filtered, annotators, fields, k),
        }


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
        # Whoever is in no published group is as many people as the release hides there: of fewer than k, as where all
        # rows of one person were quarantined, nothing is said.
        few = people.get(SUPPRESSED, 0) < (k or 1)
        if sums:
            result[field] = {
                # A rounded share and no counts: rows read minus rows released would count hidden people.
                name: None if not read or (name == SUPPRESSED and few) else round(out / read, 2)
                for name, (read, out) in sorted(sums.items())
            }
    return result
