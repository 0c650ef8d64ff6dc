"""The pattern histogram: how many items received which counts of categories.

It is a sufficient statistic for Krippendorff's alpha under any distance, for Fleiss' kappa, Gwet's AC1,
percent agreement and the exact bootstrap over items, and it is tiny: four categories and five annotators
make at most 56 patterns, whatever the number of items. Histograms of disjoint sets of items add up
(:func:`merge`), so partitions need no second look at the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Categories", "Counts", "PatternHistogram", "histogram", "histogram_of_matrix", "merge"]

Categories: TypeAlias = tuple[str, ...] | tuple[float, ...] | tuple[tuple[int, Any], ...]
Counts: TypeAlias = Any  # scipy.sparse.csr_array of int64; the stubs cannot carry its arithmetic

_EXACT_KEYS: Final = 2**53  # keys are summed in float64 by bincount
_DENSE_KEYS: Final = 2**22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatternHistogram:
    """Patterns of an item's category counts, each with the number of items that show it.

    Attributes:
        categories: The C values that occur, sorted (text or numbers, not both).
        counts: (P, C) sparse int64; ``counts[p, c]`` judgements of category c in pattern p; P distinct rows.
        items: (P,) int64; items that show pattern p, all >= 1.
    """

    categories: Categories
    counts: Counts
    items: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(P,) judgements per item in each pattern, m_p."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.int64)

    @property
    def n_items(self) -> int:
        """Items with at least one judgement."""
        return int(self.items.sum())

    @property
    def n_judgements(self) -> int:
        """Judgements."""
        return int(self.sizes @ self.items)

    @property
    def values(self) -> NDArray[np.float64]:
        """(C,) the categories as numbers.

        Raises:
            TypeError: The categories are text.
        """
        if self.categories and isinstance(self.categories[0], str):
            raise TypeError("text categories have no numeric value")
        return np.asarray(self.categories, dtype=np.float64)

    def pairable(self) -> PatternHistogram:
        """Only items with two or more judgements; the others hold no pair to compare."""
        keep = self.sizes >= 2
        if bool(keep.all()):
            return self
        return PatternHistogram(
            categories=self.categories, counts=self.counts[np.flatnonzero(keep)], items=self.items[keep]
        )

    def as_rows(self) -> list[tuple[tuple[int, ...], int]]:
        """``(counts, items)`` per pattern, for display and tests on few categories."""
        dense = self.counts.toarray()
        return [(tuple(int(n) for n in row), int(many)) for row, many in zip(dense, self.items, strict=True)]


def histogram(
    items: NDArray[np.int64], codes: NDArray[np.int64], *, n_items: int, categories: Categories
) -> PatternHistogram:
    """The histogram of judgements in long form.

    Args:
        items: (J,) item of each judgement, 0 to ``n_items`` - 1; items without a judgement are left out.
        codes: (J,) position of each judgement's value in ``categories``.
        n_items: Number of items.
        categories: Values, sorted.
    """
    if len(items) == 0:
        return _empty(categories)
    sizes = np.bincount(items, minlength=n_items)
    base = int(sizes.max()) + 1
    width = len(categories)
    if base**width <= _EXACT_KEYS:
        radix = float(base) ** np.arange(width)
        keys = np.bincount(items, weights=radix[codes], minlength=n_items).astype(np.int64)
        return _from_keys(keys[sizes > 0], base, categories)
    cells, many = np.unique(items * width + codes, return_counts=True)
    rows = cells // width
    starts = np.searchsorted(rows, np.arange(n_items + 1))
    counts = sparse.csr_array((many.astype(np.int64), cells % width, starts), shape=(n_items, width))
    present = np.flatnonzero(sizes)
    return _compress(counts[present], np.ones(len(present), dtype=np.int64), categories)


def histogram_of_matrix(codes: NDArray[Any], *, categories: Categories) -> PatternHistogram:
    """The histogram of a matrix of judgements.

    Args:
        codes: (items, annotators) integers: position in ``categories``, or negative where missing.
        categories: Values, sorted.
    """
    base = codes.shape[1] + 1
    width = len(categories)
    if base**width <= _EXACT_KEYS:
        # A missing judgement reads the last entry of the radix table, which adds nothing.
        radix = np.append(np.int64(base) ** np.arange(width, dtype=np.int64), 0)
        keys = np.zeros(len(codes), dtype=np.int64)
        for column in codes.T:
            keys += radix[np.where(column < 0, width, column) if (column < 0).any() else column]
        return _from_keys(keys[keys > 0] if not keys.all() else keys, base, categories)
    rows, columns = np.nonzero(codes >= 0)
    return histogram(
        rows.astype(np.int64),
        codes[rows, columns].astype(np.int64),
        n_items=len(codes),
        categories=categories,
    )


def merge(parts: Iterable[PatternHistogram]) -> PatternHistogram:
    """The histogram of the union of disjoint sets of items; ``merge(a, b)`` is that of the whole.

    Raises:
        ValueError: There is no part.
        TypeError: Some parts have text categories and others numbers.
    """
    listed = list(parts)
    if not listed:
        raise ValueError("nothing to merge")
    categories: Any = tuple(sorted({value for part in listed for value in part.categories}))
    position = {value: column for column, value in enumerate(categories)}
    rows, columns, data, offset = [], [], [], 0
    for part in listed:
        entries = part.counts.tocoo()
        rows.append(entries.row.astype(np.int64) + offset)
        moved = np.array([position[value] for value in part.categories], dtype=np.int64)
        columns.append(moved[entries.col] if len(moved) else entries.col.astype(np.int64))
        data.append(entries.data)
        offset += len(part.items)
    counts = sparse.csr_array(
        (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))),
        shape=(offset, len(categories)),
        dtype=np.int64,
    )
    return _compress(counts, np.concatenate([part.items for part in listed]), categories)


def encode(values: Sequence[str] | Sequence[float]) -> tuple[NDArray[np.int64], Categories]:
    """Values as positions in their sorted categories."""
    uniques, codes = np.unique(np.asarray(values), return_inverse=True)
    return codes.astype(np.int64), tuple(uniques.tolist())


def _empty(categories: Categories) -> PatternHistogram:
    return PatternHistogram(
        categories=categories,
        counts=sparse.csr_array((0, len(categories)), dtype=np.int64),
        items=np.zeros(0, dtype=np.int64),
    )


def _from_keys(keys: NDArray[np.int64], base: int, categories: Categories) -> PatternHistogram:
    if len(keys) == 0:
        return _empty(categories)
    if int(keys.max()) < _DENSE_KEYS:
        many = np.bincount(keys)
        uniques = np.flatnonzero(many)
        items = many[uniques]
    else:
        uniques, items = np.unique(keys, return_counts=True)
    digits = (uniques[:, None] // np.int64(base) ** np.arange(len(categories), dtype=np.int64)) % base
    return PatternHistogram(
        categories=categories,
        counts=sparse.csr_array(digits.astype(np.int64)),
        items=items.astype(np.int64),
    )


def _compress(counts: Counts, items: NDArray[np.int64], categories: Categories) -> PatternHistogram:
    """Equal rows joined, in an order that depends on the rows only, not on how they arrived."""
    if len(items) == 0:
        return _empty(categories)
    base = int(counts.sum(axis=1).max()) + 1
    width = len(categories)
    if base**width <= _EXACT_KEYS:
        keys = np.asarray(counts @ (np.int64(base) ** np.arange(width, dtype=np.int64)), dtype=np.int64)
        uniques, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        del uniques
    else:
        # Two fixed 64-bit hashes stand for a row: P = 10^7 rows collide with probability below 10^-24.
        generator = np.random.default_rng(0x70A77E2)
        hashes = [
            counts.astype(np.uint64) @ generator.integers(0, 2**64, size=width, dtype=np.uint64)
            for _ in range(2)
        ]
        order = np.lexsort(hashes)
        changed = np.ones(len(order), dtype=bool)
        changed[1:] = (np.diff(hashes[0][order]) != 0) | (np.diff(hashes[1][order]) != 0)
        group = np.cumsum(changed) - 1
        inverse = np.empty(len(order), dtype=np.int64)
        inverse[order] = group
        first = order[changed]
    joined = np.zeros(len(first), dtype=np.int64)
    np.add.at(joined, inverse, items)
    return PatternHistogram(categories=categories, counts=counts[first], items=joined)
