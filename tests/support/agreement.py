"""Tables of judgements for the tests of agreement."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import strategies as st

from annotation.agreement import (
    Level,
)
from annotation.patterns import PatternHistogram, encode, histogram

Rows = list[list[float]]
tables = st.lists(st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5), min_size=1, max_size=12)
levels = st.sampled_from(list(Level))


def of_rows(rows: Rows) -> PatternHistogram:
    """Histogram of one list of values per item."""
    codes, categories = encode([value for row in rows for value in row])
    items = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return histogram(items, codes, n_items=len(rows), categories=categories)


def wide_frame(seed: int, *, items: int = 60, people: int = 9, values: int = 4) -> pl.DataFrame:
    """Random judgements with gaps, a group of the annotators and a topic of the items."""
    generator = np.random.default_rng(seed)
    rows = [
        {
            "item": f"i{item:03}",
            "annotator": f"a{person}",
            "value": float(generator.integers(0, values)),
            "group": "xyz"[person % 3],
            "topic": "st"[item % 2],
        }
        for item in range(items)
        for person in range(people)
        if generator.random() < 0.5
    ]
    return pl.DataFrame(rows)
