"""Facts about who judged: whether they are known, how they did on items of known answer, under which consent."""

from __future__ import annotations

from typing import Final

import polars as pl

from annotation.records import JudgementKind, Outcome

__all__ = ["annotator_known", "gold_share", "presentation_consent", "reading_rate"]

_WHO: Final = ("site", "annotator")


def annotator_known(frame: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """``annotator_known``: the annotator has a row in the people of the site, whatever they answered."""
    people = profiles.select(_WHO).unique().with_columns(_known=pl.lit(value=True))
    known = pl.col("_known").fill_null(value=False)
    return (
        frame.join(people, on=_WHO, how="left", maintain_order="left")
        .with_columns(annotator_known=pl.when(pl.all_horizontal(pl.col(_WHO).is_not_null())).then(known))
        .drop("_known")
    )


def gold_share(frame: pl.DataFrame, gold: pl.DataFrame, column: str) -> pl.DataFrame:
    """``gold_share_<n>``: the share that a person got right of the items of known answer, from n judgements on.

    Every judgement of the person counts that can say the known answer: pairwise; a ranking where one answer is known
    to be preferred; a rating where one is, or where both are known to be alike. Also a second one on the same item.
    Null for whoever judged fewer.
    """
    least = int(column.removeprefix("gold_share_"))
    known = gold.select("item", _outcome="outcome", _answer="preferred")
    asked = frame.filter(pl.col("problem").is_null()).join(known, on="item").with_row_index("_at")
    top = (
        asked.select("_at", "scores", "_answer")
        .explode("scores")
        .unnest("scores")
        .group_by("_at")
        .agg(
            _best=pl.col("score").filter(pl.col("candidate") == pl.col("_answer")).max(),
            _next=pl.col("score").filter(pl.col("candidate") != pl.col("_answer")).max(),
            _spread=pl.col("score").max() - pl.col("score").min(),
        )
    )
    prefers, tie = (pl.col("_outcome") == str(word) for word in (Outcome.PREFERS, Outcome.TIE))
    alike = (pl.col("outcome") == pl.col("_outcome")) & (
        ~prefers | (pl.col("preferred") == pl.col("_answer"))
    )
    kind = pl.col("kind")
    right = (
        pl.when(kind == str(JudgementKind.PAIRWISE))
        .then(alike.fill_null(value=False))
        .when((kind == str(JudgementKind.RANKING)) & prefers)
        .then((pl.col("ranking").list.first() == pl.col("_answer")).fill_null(value=False))
        .when((kind == str(JudgementKind.RATING)) & prefers)
        .then((pl.col("_best") > pl.col("_next")).fill_null(value=False))
        .when((kind == str(JudgementKind.RATING)) & tie)
        .then((pl.col("_spread") == 0).fill_null(value=False))
    )
    shares = (
        asked.join(top, on="_at", how="left")
        .with_columns(_right=right)
        .filter(pl.col("_right").is_not_null())
        .group_by(_WHO)
        .agg((pl.col("_right").sum() / pl.len()).alias(column), _many=pl.len())
        .filter(pl.col("_many") >= least)
        .drop("_many")
    )
    return frame.join(shares, on=_WHO, how="left", maintain_order="left")


def presentation_consent(frame: pl.DataFrame) -> pl.DataFrame:
    """``presentation_consent_equal``; null where the presentation was not made for one person's consent."""
    return frame.with_columns(
        presentation_consent_equal=pl.when(pl.col("_consent").is_not_null()).then(
            (pl.col("consent") == pl.col("_consent")).fill_null(value=False)
        )
    )


def reading_rate(frame: pl.DataFrame) -> pl.DataFrame:
    """``reading_rate``: characters of prompt and answers for each second on the page; null without a time."""
    seconds = pl.col("seconds")
    return frame.with_columns(reading_rate=pl.when(seconds > 0).then(pl.col("item_characters") / seconds))
