"""Small cells are not published: k holds for everything a release says about who a person is.

Columns of a profile that together could point at somebody (quasi-identifiers) are published only where at
least k annotators share the whole combination. Where fewer do, values are replaced by ``suppressed``.

Source: Samarati and Sweeney (1998), k-anonymity by generalisation and local suppression; LeFevre, DeWitt and
Ramakrishnan (2006), doi:10.1109/ICDE.2006.101, for splitting cells column by column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

__all__ = ["SUPPRESSED", "suppress_counts", "suppress_profiles"]

SUPPRESSED: Final = "suppressed"


def suppress_profiles(people: pl.DataFrame, columns: Sequence[str], *, k: int) -> pl.DataFrame:
    """``people`` with small cells of the joint ``columns`` suppressed.

    Cells are split by one column after the other, the most important first. A value that fewer than k people of a
    cell share becomes ``suppressed``. Where those people together are fewer than k, others are suppressed with them: the
    last ones of the most frequent value that remains where it can spare them, else everybody of the rarest. A
    column that would split too finely is thus left out of a cell without taking the less important ones with it.

    INVARIANT: every combination of ``columns`` in the result, and so every combination of some of them, is
    shared by at least k people, also the one with nothing but ``suppressed``: a total minus what is published
    never gives a cell below k away. Of fewer than k people nothing is said at all.

    Args:
        people: One row per person; the columns are text without nulls.
        columns: Quasi-identifiers, most important first.
        k: Smallest cell, from 1.
    """
    if not columns or people.is_empty() or k <= 1:
        return people
    found = people
    cell = pl.Series("cell", [0], dtype=pl.UInt32).new_from_index(0, people.height)
    for name in columns:
        split = pl.DataFrame({"cell": cell, "value": people[name]})
        into = split.join(_next_cells(split, k=k), on=["cell", "value"], how="left", maintain_order="left")
        is_shown = pl.int_range(pl.len()).over("cell", "value") < pl.col("kept")
        split = into.select(
            shown=pl.when(is_shown).then("value").otherwise(pl.lit(SUPPRESSED)),
            cell=pl.when(is_shown).then("next").otherwise("hidden"),
        )
        found = found.with_columns(split["shown"].alias(name))
        cell = split["cell"]
    return found


def _next_cells(split: pl.DataFrame, *, k: int) -> pl.DataFrame:
    """How many of the people of each ``cell, value`` are ``kept`` in a ``next`` cell; the others go into ``hidden``."""
    sizes = split.group_by("cell", "value").len().sort("cell", "len", "value").with_row_index("next")
    many, is_small = pl.col("len").cast(pl.Int64), pl.col("len") < k
    rest = many.filter(is_small).sum().over("cell")
    lacks = pl.when(rest > 0).then(k - rest).otherwise(0).clip(lower_bound=0)
    is_largest = pl.int_range(pl.len()).over("cell") == pl.len().over("cell") - 1
    is_smallest_left = ~is_small & ((~is_small).cum_sum().over("cell") == 1)
    spares = (many.last().over("cell") - lacks) >= k
    return sizes.select(
        "cell",
        "value",
        "next",
        kept=pl.when(is_small | (~spares & is_smallest_left & (lacks > 0)))
        .then(0)
        .when(spares & is_largest)
        .then(many - lacks)
        .otherwise(many),
        # Where people are hidden some value is small, and its cell is free for them.
        hidden=pl.col("next").filter(is_small).min().over("cell"),
    )


def suppress_counts(counts: Mapping[str, int], *, k: int) -> dict[str, int | None]:
    """Counts of people by stratum with small ones hidden (None), and one more where a total would tell.

    If the hidden counts sum to less than k, the next smallest is hidden too, so that a published total
    minus the published counts stays at least k. Zero is published: it is nobody.
    """
    hidden = {name for name, count in counts.items() if 0 < count < k}
    rest = sorted((count, name) for name, count in counts.items() if count >= k)
    while hidden and sum(counts[name] for name in hidden) < k and rest:
        hidden.add(rest.pop(0)[1])
    return {name: None if name in hidden else count for name, count in counts.items()}
