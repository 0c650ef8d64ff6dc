"""What the texts of an item say about it: repeats, near-copies, contamination, language, length.

Like the screens of rationales these are text functions, computed once for each item whatever the number of
its judgements; both machines of a validation test what stands here.

=========================  ================================================================================
``item_characters``        characters of prompt and answers together
``candidates_overlap``     largest share of words that two of its answers have in common (Jaccard)
``near_duplicate_<t>``     an earlier item (by id) with more than t of its phrases in common, else null
``prompt_twin_<t>``        another item whose prompt has more than t in common and is not the same, else null
``probe_overlap``          largest share of phrases that the prompt has in common with a probe
``language_contradicted``  language or script that the texts plainly are in, where it is not the declared one
=========================  ================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from annotation.language_hint import contradictions
from annotation.similarity import normal_texts, overlap_with, phrases, similar_pairs, word_sets

__all__ = ["compared_texts", "is_copy_fact", "is_item_fact", "item_facts", "threshold_name"]

_PLAIN: Final = ("item_characters", "candidates_overlap", "probe_overlap", "language_contradicted")
_PREFIXES: Final = ("near_duplicate_", "prompt_twin_")


def is_item_fact(column: str) -> bool:
    """Whether a column is computed here."""
    return column in _PLAIN or column.startswith(_PREFIXES)


def is_copy_fact(column: str) -> bool:
    """Whether a column follows from comparing an item with all others."""
    return column.startswith(_PREFIXES)


def compared_texts(items: pl.DataFrame, column: str) -> tuple[pl.DataFrame, float, bool]:
    """What a fact of copies compares.

    Args:
        items: Items, each once.
        column: ``near_duplicate_<t>`` or ``prompt_twin_<t>``.

    Returns:
        ``item, text`` (in normal form), the threshold, and whether items of the very same text are copies.
    """
    near = column.startswith(_PREFIXES[0])
    text = _everything() if near else _prompts()
    threshold = _threshold(column, _PREFIXES[0] if near else _PREFIXES[1])
    return items.select("item", text=normal_texts(text)), threshold, near


def threshold_name(prefix: str, threshold: float) -> str:
    """The column of a fact that depends on a threshold."""
    return prefix + f"{threshold:g}".replace(".", "_")


def _threshold(column: str, prefix: str) -> float:
    return float(column.removeprefix(prefix).replace("_", "."))


def item_facts(items: pl.DataFrame, columns: Collection[str], *, probes: Sequence[str] = ()) -> pl.DataFrame:
    """``item`` and those of ``columns`` that are facts of items.

    Args:
        items: Items, each once.
        columns: Names of the columns that checks test.
        probes: Prompts of the audit's probes.
    """
    wanted = sorted(column for column in columns if is_item_fact(column))
    found = items.select("item")
    for column in wanted:
        found = found.join(_fact(items, column, probes), on="item", how="left", maintain_order="left")
    if "probe_overlap" in wanted:
        found = found.with_columns(pl.col("probe_overlap").fill_null(0.0))
    return found


def _fact(items: pl.DataFrame, column: str, probes: Sequence[str]) -> pl.DataFrame:
    match column:
        case "item_characters":
            return items.select(
                "item", (_prompts().str.len_chars() + _answers().str.len_chars()).alias(column)
            )
        case "candidates_overlap":
            return _candidates_overlap(items)
        case "probe_overlap":
            return _probe_overlap(items, probes)
        case "language_contradicted":
            texts = items.select(key="item", text=_everything(), language="language")
            return contradictions(texts).rename({"key": "item", "found": column})
    if is_copy_fact(column):
        return _repeats(column, *compared_texts(items, column))
    raise ValueError(f"no fact of items {column!r}")


def _prompts() -> pl.Expr:
    return pl.col("prompt").list.eval(pl.element().struct.field("content")).list.join("\n")


def _answers() -> pl.Expr:
    return pl.col("candidates").list.eval(pl.element().struct.field("text")).list.join("\n")


def _everything() -> pl.Expr:
    return pl.concat_str(_prompts(), _answers(), separator="\n")


def _candidates_overlap(items: pl.DataFrame) -> pl.DataFrame:
    words = (
        items.select("item", "candidates")
        .explode("candidates")
        .select("item", words=word_sets(pl.col("candidates").struct.field("text")))
        .with_row_index("row")
    )
    mine, theirs = pl.col("words"), pl.col("words_right")
    shared = mine.list.set_intersection(theirs).list.len()
    either = mine.list.len() + theirs.list.len() - shared
    return (
        words.join(words, on="item")
        .filter(pl.col("row") < pl.col("row_right"))
        # Two answers without a single word have everything in common.
        .select("item", candidates_overlap=pl.when(either == 0).then(1.0).otherwise(shared / either))
        .group_by("item")
        .agg(pl.col("candidates_overlap").max())
    )


def _probe_overlap(items: pl.DataFrame, probes: Sequence[str]) -> pl.DataFrame:
    texts = items.select("item", text=normal_texts(_prompts()))
    distinct = texts.select("text").unique(maintain_order=True).with_row_index("key")
    known = pl.DataFrame({"text": pl.Series(list(probes), dtype=pl.String)}).select(
        text=normal_texts(pl.col("text"))
    )
    overlap = overlap_with(
        phrases(distinct), phrases(known.unique(maintain_order=True).with_row_index("key"))
    )
    return texts.join(distinct.join(overlap, on="key"), on="text").select("item", probe_overlap="overlap")


def _repeats(column: str, texts: pl.DataFrame, threshold: float, same: bool) -> pl.DataFrame:
    """Items and another with a similar text: an earlier one with ``same``, else any of another text."""
    distinct = (
        texts.group_by("text").agg(pl.col("item").min().alias("first")).sort("first").with_row_index("key")
    )
    pairs = similar_pairs(phrases(distinct), threshold).filter(pl.col("similarity") > threshold)
    both = pl.concat(
        [pairs.select(key="one", of="other"), pairs.select(key="other", of="one")], how="vertical"
    ).join(distinct.select(of="key", twin="first"), on="of")
    nearest = both.group_by("key").agg(pl.col("twin").min())
    found = texts.join(distinct, on="text").join(nearest, on="key", how="left")
    other = pl.min_horizontal("first", "twin") if same else pl.col("twin")
    repeated = found.with_columns(other.alias(column))
    earlier = pl.col(column) < pl.col("item") if same else pl.col(column).is_not_null()
    return repeated.filter(earlier).select("item", column)
