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
    cell share becomes ``suppressed``; where those people together are fewer than k, so does the smallest value that
    was left in the cell. A column that would split too finely is thus left out of a cell without taking the
    less important ones with it.

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
        shown = split.join(_next_cells(split, k=k), on=["cell", "value"], how="left", maintain_order="left")
        found = found.with_columns(shown["shown"].alias(name))
        cell = shown["next"].alias("cell")
    return found


def _next_cells(split: pl.DataFrame, *, k: int) -> pl.DataFrame:
    """``cell, value``, what is ``shown`` of the value, and the ``next`` cell, of ``cell, value`` of every person."""
    sizes = split.group_by("cell", "value").len().sort("cell", "len", "value").with_row_index("next")
    small = pl.col("len") < k
    rest = pl.when(small).then(pl.col("len")).otherwise(0).sum().over("cell")
    smallest_left = ~small & ((~small).cum_sum().over("cell") == 1)
    kept = ~small & ~((rest > 0) & (rest < k) & smallest_left)
    return sizes.with_columns(kept=kept).select(
        "cell",
        "value",
        shown=pl.when("kept").then("value").otherwise(pl.lit(SUPPRESSED)),
        next=pl.when("kept")
        .then("next")
        .otherwise(pl.col("next").filter(~pl.col("kept")).min().over("cell")),
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
