"""Facts about each judgement that no single column states: joins, order, consistency, screens.

A fact is a column computed beside the record's own, so that every check is a test of one column. Null means
that the fact does not apply (there is nothing to be known about an item that is not named). The same facts
are computed a second time, in SQL, by :mod:`infra.facts_sql`; :mod:`annotation.quarantine` uses these.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import polars as pl

from annotation.people_facts import annotator_known, gold_share, presentation_consent, reading_rate
from annotation.records import Outcome, Source
from annotation.surroundings import Surroundings

__all__ = ["facts", "is_person_fact", "person_facts"]

_PAGES: Final = (str(Source.LABEL_STUDIO), str(Source.PORTAL))
_KEY: Final = "_row"


def facts(screened: pl.DataFrame, around: Surroundings, columns: Collection[str]) -> pl.DataFrame:
    """``screened`` with the facts that ``columns`` asks for (and those that come along with them).

    Args:
        screened: Staged rows with their screens.
        around: The tables the rows refer to.
        columns: Names of the columns that checks test.
    """
    candidates = (
        around.items.select("item", candidate=pl.col("candidates"))
        .explode("candidate")
        .select("item", candidate=pl.col("candidate").struct.field("candidate"))
        .with_columns(rank=pl.int_range(pl.len()).over("item"))
    )
    frame = person_facts(screened.with_row_index(_KEY), around.gold, columns).join(
        around.items.select("item", "language", _digest="digest"),
        on="item",
        how="left",
        maintain_order="left",
    )
    frame = frame.with_columns(
        item_known=pl.when(pl.col("item").is_not_null()).then(pl.col("_digest").is_not_null()),
        item_digest_equal=pl.col("item_digest") == pl.col("_digest"),
        _first=pl.col("shown").list.get(0, null_on_oob=True),
        _second=pl.col("shown").list.get(1, null_on_oob=True),
        _count=pl.col("shown").list.len(),
    )
    for name in ("_first", "_second", "preferred"):
        ranks = candidates.select(
            "item", pl.col("candidate").alias(name), pl.col("rank").alias(f"{name}_rank")
        )
        frame = frame.join(ranks, on=["item", name], how="left", maintain_order="left")
    frame = _answer(_shown(frame, candidates))
    frame = presentation_consent(_presented(frame, around.presentations))
    if "annotator_known" in columns:
        frame = annotator_known(frame, around.profiles)
    if "reading_rate" in columns:
        frame = reading_rate(frame)
    if "first_given" in columns:
        frame = _first_given(frame)
    for name in sorted(columns):
        if name.startswith("consent_live_"):
            frame = _consent(frame, around.consents, name)
    return frame.select(pl.exclude("^_.*$"))


def is_person_fact(column: str) -> bool:
    """Whether a column follows from all rows of a person, see :func:`person_facts`."""
    return column == "streak" or column.startswith("gold_share_")


def person_facts(frame: pl.DataFrame, gold: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    """``frame`` with those of ``columns`` that follow from everything a person said, whatever the item.

    Args:
        frame: Rows with ``_row``, ``site``, ``annotator``, ``item``, ``kind``, ``shown``, ``outcome``,
            ``preferred``, ``scores``, ``ranking``, ``submitted_at``, ``judgement``, ``source_digest`` and
            ``problem``; every row of a person it holds.
        gold: Items of known answer.
        columns: Names of the columns that checks test.
    """
    if "streak" in columns:
        frame = _streaks(frame)
    for name in sorted(columns):
        if name.startswith("gold_share_"):
            frame = gold_share(frame, gold, name)
    return frame


def _shown(frame: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """``shown_known`` and ``preferred_known``; pairs by their two ranks, other lengths one by one."""
    pairs = (
        pl.col("_first_rank").is_not_null()
        & pl.col("_second_rank").is_not_null()
        & (pl.col("_first") != pl.col("_second"))
    )
    others = (
        frame.filter(pl.col("_count") != 2)
        .select(_KEY, "item", "shown")
        .explode("shown")
        .join(candidates, left_on=["item", "shown"], right_on=["item", "candidate"], how="left")
        .group_by(_KEY)
        .agg(_all_known=pl.col("rank").is_not_null().all() & (pl.col("shown").n_unique() == pl.len()))
    )
    applies = pl.col("item_known") & pl.col("shown").is_not_null()
    return frame.join(others, on=_KEY, how="left", maintain_order="left").with_columns(
        shown_known=pl.when(applies)
        .then(
            pl.when(pl.col("_count") == 2)
            .then(pairs)
            .otherwise(
                (pl.col("_count") > 0)
                & pl.col("_all_known").fill_null(value=False)
                & (pl.col("kind").ne_missing("pairwise"))
            )
        )
        .otherwise(None),
        preferred_known=pl.when(applies & pl.col("preferred").is_not_null())
        .then(pl.col("preferred_rank").is_not_null() & pl.col("shown").list.contains(pl.col("preferred")))
        .otherwise(None),
    )


def _answer(frame: pl.DataFrame) -> pl.DataFrame:
    """``answer_present``, ``outcome_consistent``, ``scores_valid``, ``ranking_valid``."""
    outcome, strength = pl.col("outcome"), pl.col("strength")
    other_rank = (
        pl.when(pl.col("preferred") == pl.col("_first"))
        .then(pl.col("_second_rank"))
        .when(pl.col("preferred") == pl.col("_second"))
        .then(pl.col("_first_rank"))
    )
    # Canonical order is the item's: a negative strength speaks for the candidate that stands first there.
    rank = pl.col("preferred_rank")
    signed = (pl.when(rank != other_rank).then(rank < other_rank) == (strength < 0)).fill_null(value=True)
    consistent = (
        pl.when(outcome == str(Outcome.PREFERS))
        .then(pl.col("preferred").is_not_null() & (strength != 0).fill_null(value=True) & signed)
        .when(outcome == str(Outcome.TIE))
        .then(pl.col("preferred").is_null() & (strength == 0).fill_null(value=True))
        .when(outcome.is_in([str(Outcome.NEITHER), str(Outcome.CANNOT_JUDGE)]))
        .then(pl.col("preferred").is_null() & strength.is_null())
    )
    kind = pl.col("kind")
    present = (
        pl.when(kind == "pairwise")
        .then(outcome.is_not_null())
        .when(kind.is_in(["rating", "attributes"]))
        .then((pl.col("scores").list.len() > 0).fill_null(value=False))
        .when(kind == "ranking")
        .then(pl.col("ranking").is_not_null())
        .when(kind == "text")
        .then(pl.col("rationale").is_not_null())
    )
    score = pl.col("score")
    scores = (
        frame.filter(pl.col("scores").is_not_null())
        .select(_KEY, "shown", score=pl.col("scores"))
        .explode("score")
        .select(
            _KEY,
            valid=(
                score.struct.field("score").is_between(1, 100)
                & pl.col("shown").list.contains(score.struct.field("candidate"))
            ).fill_null(value=False),
            empty=score.is_null(),
        )
        .group_by(_KEY)
        .agg(scores_valid=(pl.col("valid") | pl.col("empty")).all())
    )
    ranking = frame.filter(pl.col("ranking").is_not_null() & pl.col("shown").is_not_null()).select(
        _KEY, ranking_valid=pl.col("ranking").list.sort() == pl.col("shown").list.sort()
    )
    return (
        frame.with_columns(
            answer_present=present,
            outcome_consistent=pl.when(kind == "pairwise").then(consistent).otherwise(None),
        )
        .join(scores, on=_KEY, how="left", maintain_order="left")
        .join(ranking, on=_KEY, how="left", maintain_order="left")
    )


def _presented(frame: pl.DataFrame, presentations: pl.DataFrame) -> pl.DataFrame:
    known = presentations.select("presentation", _of="item", _order="shown", _consent="consent")
    matches = (pl.col("_of") == pl.col("item")).fill_null(value=False) & (
        pl.col("_order") == pl.col("shown")
    ).fill_null(value=False)
    return frame.join(known, on="presentation", how="left", maintain_order="left").with_columns(
        presentation_matches=pl.when(pl.col("source").is_in(_PAGES)).then(matches).otherwise(None)
    )


def _first_given(frame: pl.DataFrame) -> pl.DataFrame:
    """``first_given``: of several judgements of one annotator on one item, the first submitted, ties by id.

    All rows take part, also those that fail another rule: failing one must not earn a second try.
    """
    pair = ["annotator", "item"]
    repeated = (
        frame.group_by(pair).len().filter((pl.col("len") > 1) & pl.all_horizontal(pl.col(pair).is_not_null()))
    )
    later = (
        frame.select(_KEY, *pair, "submitted_at", "judgement", "source_digest")
        .join(repeated.select(pair), on=pair, how="semi")
        .sort("submitted_at", "judgement", "source_digest", nulls_last=True, maintain_order=True)
        .filter(~pl.struct(pair).is_first_distinct())
        .select(_KEY, first_given=pl.lit(value=False))
    )
    applies = pl.all_horizontal(pl.col(pair).is_not_null())
    return frame.join(later, on=_KEY, how="left", maintain_order="left").with_columns(
        first_given=pl.when(applies).then(pl.col("first_given").fill_null(value=True)).otherwise(None)
    )


def _streaks(frame: pl.DataFrame) -> pl.DataFrame:
    """``streak``: how many times in a row the annotator chose this position, where the order is known.

    Ties, refusals to judge and other kinds of judgement end a streak.
    """
    first, second = (pl.col("shown").list.get(place, null_on_oob=True) for place in (0, 1))
    chosen = (
        frame.filter(pl.col("annotator").is_not_null() & pl.col("submitted_at").is_not_null())
        .select(
            _KEY,
            "site",
            "annotator",
            "submitted_at",
            "judgement",
            "source_digest",
            position=pl.when(pl.col("outcome") == str(Outcome.PREFERS)).then(
                pl.when(pl.col("preferred") == first).then(0).when(pl.col("preferred") == second).then(1)
            ),
        )
        .sort("site", "annotator", "submitted_at", "judgement", "source_digest", "position", nulls_last=True)
        .with_columns(run=pl.struct("site", "annotator", "position").rle_id())
        .with_columns(streak=pl.when(pl.col("position").is_not_null()).then(pl.len().over("run")))
        .select(_KEY, "streak")
    )
    return frame.join(chosen, on=_KEY, how="left", maintain_order="left")


def _consent(frame: pl.DataFrame, consents: pl.DataFrame, name: str) -> pl.DataFrame:
    purpose = pl.col("purpose").str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_")
    live = consents.filter("consent_live_" + purpose == name).select(
        "consent", "annotator", _live=pl.lit(value=True)
    )
    return (
        frame.join(live, on=["consent", "annotator"], how="left", maintain_order="left")
        .with_columns(pl.col("_live").fill_null(value=False).alias(name))
        .drop("_live")
    )
