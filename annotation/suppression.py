"""Small cells are not published: k holds for everything a release says about who a person is.

Columns of a profile that together could point at somebody (quasi-identifiers) are published only where at
least k annotators share the whole combination. Where fewer do, values are replaced by ``suppressed``, the
least important column first, until the combination is shared or nothing is left.

Source: Samarati and Sweeney (1998), k-anonymity by generalisation and local suppression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

__all__ = ["SUPPRESSED", "suppress_counts", "suppress_profiles"]

SUPPRESSED: Final = "suppressed"


def suppress_profiles(people: pl.DataFrame, columns: Sequence[str], *, k: int) -> pl.DataFrame:
    """``people`` with small cells of the joint ``columns`` suppressed.

    INVARIANT: every combination of ``columns`` in the result, and so every combination of some of them, is
    shared by at least k people; only the combination with nothing but ``suppressed`` may be smaller, and
    then only where it holds everybody. That last combination is filled up from the smallest published one,
    so that a total minus what is published never gives a cell below k away.

    Args:
        people: One row per person; the columns are text without nulls.
        columns: Quasi-identifiers, most important first.
        k: Smallest cell, from 1.
    """
    if not columns or people.is_empty() or k <= 1:
        return people
    order = people.with_row_index("_row")
    blank = {name: pl.lit(SUPPRESSED) for name in columns}
    for name in reversed(columns):
        small = pl.len().over(columns) < k
        order = order.with_columns(pl.when(small).then(blank[name]).otherwise(pl.col(name)).alias(name))
    # A cell of k or more never loses a row above, so what is still small has nothing left but blanks.
    nothing = pl.all_horizontal(pl.col(name) == SUPPRESSED for name in columns)
    while 0 < (hidden := order.filter(nothing).height) < k and hidden < order.height:
        cells = order.filter(~nothing).group_by(columns).len().sort("len", *columns)
        smallest = cells.head(1).drop("len")
        is_smallest = pl.all_horizontal(pl.col(name) == smallest[name][0] for name in columns)
        order = order.with_columns(
            pl.when(is_smallest).then(blank[name]).otherwise(pl.col(name)).alias(name) for name in columns
        )
    return order.sort("_row").drop("_row")


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
