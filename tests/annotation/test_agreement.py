"""Agreement figures against hand computations, published tables and their own definition."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.agreement import (
    Level,
    ac1,
    alpha,
    coincidence_matrix,
    fleiss_kappa,
    percent_agreement,
)
from annotation.agreement_bootstrap import alpha_interval
from annotation.patterns import histogram, histogram_of_matrix, merge
from tests.support.agreement import Rows, levels, of_rows, tables

N = None
# Krippendorff (2011): 4 observers, 12 units.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
# Fleiss (1971): 10 subjects, 14 raters, 5 categories; kappa .210 (counts as in the published table).
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def krippendorff_rows() -> Rows:
    return [[float(value) for value in unit if value is not None] for unit in zip(*KRIPPENDORFF, strict=True)]


def squared(level: Level, values: list[float]) -> Any:
    """The distance of a level written down from its definition, on the pairable values."""
    if level is Level.NOMINAL:
        return lambda a, b: float(a != b)
    if level is Level.INTERVAL:
        return lambda a, b: (a - b) ** 2
    if level is Level.RATIO:
        return lambda a, b: 0.0 if a + b == 0 else ((a - b) / (a + b)) ** 2

    def ordinal(a: float, b: float) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(low <= value <= high for value in values)
        return (between - (values.count(a) + values.count(b)) / 2) ** 2 if a != b else 0.0

    return ordinal


def naive_alpha(rows: Rows, level: Level) -> float | None:
    units = [row for row in rows if len(row) >= 2]
    values = [value for row in units for value in row]
    if len(values) < 2:
        return None
    d = squared(level, values)
    n = len(values)
    observed = sum(sum(d(a, b) for a, b in permutations(row, 2)) / (len(row) - 1) for row in units) / n
    chance = sum(d(a, b) for a, b in permutations(values, 2)) / (n * (n - 1))
    return None if chance == 0 else 1 - observed / chance


@pytest.mark.parametrize(
    ("level", "published"),
    [(Level.NOMINAL, 0.743), (Level.ORDINAL, 0.815), (Level.INTERVAL, 0.849), (Level.RATIO, 0.797)],
)
def test_krippendorffs_worked_example(level: Level, published: float) -> None:
    found = alpha(of_rows(krippendorff_rows()), level).value
    assert found == pytest.approx(published, abs=5e-4)


def test_krippendorffs_coincidences() -> None:
    matrix = coincidence_matrix(of_rows(krippendorff_rows()))
    third = 1 / 3
    assert matrix == pytest.approx(
        np.array(
            [
                [7, 4 * third, third, third, 0],
                [4 * third, 10, 4 * third, third, 0],
                [third, 4 * third, 8, third, 0],
                [third, third, third, 4, 0],
                [0, 0, 0, 0, 3],
            ]
        )
    )
    assert matrix.sum() == pytest.approx(40)


def test_fleiss_published_table() -> None:
    rows = [[float(c) for c, n in enumerate(counts) for _ in range(n)] for counts in FLEISS]
    assert fleiss_kappa(of_rows(rows)).value == pytest.approx(0.2099, abs=5e-5)
    assert percent_agreement(of_rows(rows)).value == pytest.approx(0.378, abs=5e-4)


def test_ac1_by_hand() -> None:
    # 2 raters, 100 items: 118/125-like paradox table: both yes 90, yes-no 5, no-yes 5, both no 0.
    rows = [[1.0, 1.0]] * 90 + [[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5
    # P = .9, pi_yes = .95, P_e = 2 * .95 * .05 / 1 = .095 -> (.9 - .095) / .905
    assert ac1(of_rows(rows)).value == pytest.approx((0.9 - 0.095) / 0.905)
    # Fleiss collapses on the same table: P_e = .95^2 + .05^2 = .905
    assert fleiss_kappa(of_rows(rows)).value == pytest.approx((0.9 - 0.905) / 0.095)


def test_perfect_chance_and_opposed() -> None:
    assert alpha(of_rows([[0.0, 0.0], [1.0, 1.0]])).value == 1.0
    # Two items, always opposed: D_o = 1, D_e = 8 of 12 ordered pairs -> 1 - 1 / (2/3) = -1/2
    assert alpha(of_rows([[0.0, 1.0], [1.0, 0.0]])).value == pytest.approx(-0.5)
    generator = np.random.default_rng(1)
    by_chance = histogram_of_matrix(generator.integers(0, 3, size=(20_000, 4)), categories=(0.0, 1.0, 2.0))
    assert alpha(by_chance).value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("level", list(Level))
def test_one_category_has_no_alpha(level: Level) -> None:
    found = alpha(of_rows([[3.0, 3.0], [3.0, 3.0, 3.0]]), level)
    assert found.value is None
    assert "one category" in str(found.reason)


def test_no_pair_has_no_alpha() -> None:
    found = alpha(of_rows([[1.0], [2.0]]))
    assert found.value is None
    assert "two judgements" in str(found.reason)
    interval = alpha_interval(of_rows([[1.0], [2.0]]))
    assert (interval.low, interval.high, interval.replicates) == (None, None, 0)


def test_ratio_refuses_negative_values() -> None:
    with pytest.raises(ValueError, match="true zero"):
        alpha(of_rows([[-1.0, 2.0], [2.0, 2.0]]), Level.RATIO)


def test_an_unsound_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="symmetric"):
        alpha(of_rows([[1.0, 2.0]]), lambda a, b: a - b)


@given(rows=tables, level=levels)
@settings(max_examples=150, deadline=None)
def test_alpha_is_its_definition(rows: Rows, level: Level) -> None:
    assert alpha(of_rows(rows), level).value == (
        None if (naive := naive_alpha(rows, level)) is None else pytest.approx(naive)
    )


@given(rows=tables)
@settings(max_examples=60, deadline=None)
def test_a_custom_distance_equals_its_level(rows: Rows) -> None:
    own = alpha(of_rows(rows), lambda a, b: (a - b) ** 2).value
    assert own == (
        None if (known := alpha(of_rows(rows), Level.INTERVAL).value) is None else pytest.approx(known)
    )


@given(rows=tables, order=st.permutations(range(5)))
@settings(max_examples=60, deadline=None)
def test_nominal_alpha_does_not_depend_on_names(rows: Rows, order: list[int]) -> None:
    renamed = [[float(order[int(value)]) for value in row] for row in rows]
    assert alpha(of_rows(renamed)).value == (
        None if (known := alpha(of_rows(rows)).value) is None else pytest.approx(known)
    )


@given(rows=tables, level=levels, data=st.data())
@settings(max_examples=60, deadline=None)
def test_order_of_items_and_annotators_is_nothing(rows: Rows, level: Level, data: Any) -> None:
    shuffled = [data.draw(st.permutations(row)) for row in data.draw(st.permutations(rows))]
    a, b = of_rows(rows), of_rows(shuffled)
    assert a.as_rows() == b.as_rows()
    assert alpha(a, level) == alpha(b, level)
    assert alpha_interval(a, level, replicates=20) == alpha_interval(b, level, replicates=20)


@given(rows=tables, cut=st.integers(0, 12), level=levels)
@settings(max_examples=80, deadline=None)
def test_merged_parts_are_the_whole(rows: Rows, cut: int, level: Level) -> None:
    parts = [part for part in (rows[:cut], rows[cut:]) if part]
    merged = merge([of_rows(part) for part in parts])
    whole = of_rows(rows)
    assert merged.categories == whole.categories
    assert merged.as_rows() == whole.as_rows()
    assert alpha(merged, level) == alpha(whole, level)


def test_many_categories_keep_the_same_laws() -> None:
    generator = np.random.default_rng(3)
    rows = [list(generator.integers(1, 101, size=3).astype(float)) for _ in range(60)]
    rows += rows[:20]  # equal patterns join though keys no longer fit an integer
    whole = of_rows(rows)
    assert len(whole.items) == len({tuple(sorted(row)) for row in rows})
    merged = merge([of_rows(rows[30:]), of_rows(rows[:30])])
    assert merged.as_rows() == whole.as_rows()
    assert merge([whole]).as_rows() == whole.as_rows()
    for level in Level:
        assert alpha(whole, level).value == pytest.approx(naive_alpha(rows, level))
    a = alpha_interval(merged, Level.ORDINAL, replicates=50, seed=4)
    assert a == alpha_interval(whole, Level.ORDINAL, replicates=50, seed=4)


def test_matrix_and_long_form_give_one_histogram() -> None:
    generator = np.random.default_rng(5)
    codes = generator.integers(-1, 4, size=(500, 6))
    rows, columns = np.nonzero(codes >= 0)
    long = histogram(rows, codes[rows, columns], n_items=500, categories=(0.0, 1.0, 2.0, 3.0))
    wide = histogram_of_matrix(codes, categories=(0.0, 1.0, 2.0, 3.0))
    assert long.as_rows() == wide.as_rows()
    assert wide.n_judgements == int((codes >= 0).sum())


def test_merge_needs_a_part() -> None:
    with pytest.raises(ValueError, match="nothing"):
        merge([])
