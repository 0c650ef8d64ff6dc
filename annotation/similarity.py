"""Texts that are nearly the same: the share of their phrases that two texts have in common.

A phrase is three words in a row (the whole text where it has fewer), words being runs of letters and digits
after compatibility folding and lower-casing. Two texts are as similar as their sets of phrases:
``J(a, b) = |a & b| / |a | b|``, 0 to 1; 1 for texts that differ in case and punctuation only.

Pairs above a threshold are found without comparing all pairs, and none is missed: if J >= t, the two sets
share one of the rarest ``|a| - ceil(t |a|) + 1`` phrases of each (prefix filtering).

Sources: Broder (1997), doi:10.1109/SEQUEN.1997.666900 (shingles); Bayardo, Ma and Srikant (2007),
doi:10.1145/1242572.1242591 (prefix filtering).
"""

from __future__ import annotations

from typing import Final

import polars as pl

__all__ = ["normal_texts", "overlap_with", "phrases", "similar_pairs", "word_sets"]

_WORD: Final = r"[\p{L}\p{N}]+"
_PHRASE: Final = 3


def normal_texts(texts: pl.Expr) -> pl.Expr:
    """The words of texts, folded, as one text with single spaces."""
    return texts.str.normalize("NFKC").str.to_lowercase().str.extract_all(_WORD).list.join(" ")


def word_sets(texts: pl.Expr) -> pl.Expr:
    """The different words of texts as lists."""
    return texts.str.normalize("NFKC").str.to_lowercase().str.extract_all(_WORD).list.unique()


def phrases(texts: pl.DataFrame) -> pl.DataFrame:
    """``key, phrase`` (64-bit hashes, each once) of a frame with ``key`` and ``text`` in normal form."""
    words = texts.select("key", word=pl.col("text").str.split(" ")).explode("word")
    key, word = pl.col("key"), pl.col("word")
    long = words.select(
        "key",
        phrase=pl.when(key == key.shift(1 - _PHRASE)).then(
            pl.concat_str(word, word.shift(-1), word.shift(-2), separator=" ")
        ),
    ).drop_nulls()
    short = texts.filter(pl.col("text").str.count_matches(" ") < _PHRASE - 1).select("key", phrase="text")
    return pl.concat([long, short]).select("key", pl.col("phrase").hash(seed=1)).unique(maintain_order=False)


def similar_pairs(found: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """``one, other, similarity`` for every pair of keys with similarity of at least ``threshold``; one < other.

    Args:
        found: What :func:`phrases` gives.
        threshold: Above 0.
    """
    sizes = found.group_by("key").len("size")
    rare = found.join(found.group_by("phrase").len("times"), on="phrase").join(sizes, on="key")
    place = pl.int_range(pl.len()).over("key")
    kept = pl.col("size") - (threshold * pl.col("size") - 1e-9).ceil() + 1
    prefix = (
        rare.sort("key", "times", "phrase")
        .filter(place < kept)
        .filter(pl.col("times") > 1)
        .select("key", "phrase")
    )
    pairs = (
        prefix.rename({"key": "one"})
        .join(prefix.rename({"key": "other"}), on="phrase")
        .filter(pl.col("one") < pl.col("other"))
        .select("one", "other")
        .unique()
    )
    shared = (
        pairs.join(found.rename({"key": "one"}), on="one")
        .join(found.rename({"key": "other"}), on=["other", "phrase"])
        .group_by("one", "other")
        .len("shared")
    )
    return (
        shared.join(sizes.rename({"key": "one", "size": "a"}), on="one")
        .join(sizes.rename({"key": "other", "size": "b"}), on="other")
        .select("one", "other", similarity=pl.col("shared") / (pl.col("a") + pl.col("b") - pl.col("shared")))
        .filter(pl.col("similarity") >= threshold)
        .sort("one", "other")
    )


def overlap_with(found: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """``key, overlap``: the largest similarity of each key of ``found`` with any of ``known``; absent if 0."""
    mine, theirs = (frame.group_by("key").len("size") for frame in (found, known))
    return (
        found.join(known.rename({"key": "of"}), on="phrase")
        .group_by("key", "of")
        .len("shared")
        .join(mine.rename({"size": "a"}), on="key")
        .join(theirs.rename({"key": "of", "size": "b"}), on="of")
        .group_by("key")
        .agg(overlap=(pl.col("shared") / (pl.col("a") + pl.col("b") - pl.col("shared"))).max())
    )
