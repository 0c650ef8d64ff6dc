"""Agreement across the border of a group against hand computations, and the intervals of a difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from annotation.agreement import (
    Level,
    distance_matrix,
)
from annotation.agreement_groups import cross_kappa, group_agreement
from annotation.agreement_report import MISSING, assess
from annotation.cross_pairs import cross_sum, form_of
from annotation.patterns import histogram
from tests.support.agreement import Rows, levels, of_rows, tables, wide_frame


def test_cross_kappa_by_hand() -> None:
    # Items 1-4, one annotator a side: inside a a b b, outside a b b b.
    items = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    codes = np.array([0, 0, 1, 1, 0, 1, 1, 1])
    member = np.array([True] * 4 + [False] * 4)
    found = group_agreement(items, codes, member, n_items=4, categories=("a", "b"), replicates=100)
    # d_o = 1/4; inside half a, outside 1/4 a: d_e = .5 * .75 + .5 * .25 = .5 -> 1 - .25 / .5
    assert found.across.value == pytest.approx(0.5)
    assert found.shared_items == 4
    assert found.inside.value is None
    assert found.difference is None


def test_cross_kappa_weighs_missing_judgements_as_published() -> None:
    # Item 0: inside (a, b), outside (a); item 1: inside (b), outside (b, b, a).
    items = np.array([0, 0, 0, 1, 1, 1, 1])
    codes = np.array([0, 1, 0, 1, 1, 1, 0])
    member = np.array([True, True, False, True, False, False, False])
    joint = histogram(items, codes + np.where(member, 0, 2), n_items=2, categories=(0.0, 1.0, 2.0, 3.0))
    plain = histogram(items, codes, n_items=2, categories=("a", "b"))
    # d_o = [3/2 * 1 + 4/3 * 1] / 7; inside 1 a 2 b, outside 2 a 2 b: d_e = (1*2 + 2*2) / 12
    expected = 1 - ((3 / 2 + 4 / 3) / 7) / (6 / 12)
    assert cross_kappa(joint, plain).value == pytest.approx(expected)


def test_a_split_population_shows_at_the_border() -> None:
    generator = np.random.default_rng(2)
    rows = []
    for item in range(400):
        ours, theirs = generator.integers(0, 2, size=2)
        for annotator in range(6):
            group = "x" if annotator < 3 else "y"
            truth = ours if group == "x" else theirs
            value = truth if generator.random() < 0.95 else 1 - truth
            rows.append({"item": item, "annotator": annotator, "value": float(value), "group": group})
    report = assess(pl.DataFrame(rows), by=["group"], replicates=300)
    for group in report.by["group"].values():
        assert group.border is not None
        assert group.alpha.value is not None
        assert group.alpha.value > 0.75
        assert group.border.across.value == pytest.approx(0, abs=0.1)
        assert group.border.difference_interval.low is not None
        assert group.border.difference_interval.low > 0.5
        low = group.border.simultaneous.low
        assert low is not None
        assert low <= group.border.difference_interval.low
        assert group.alpha == group.border.inside


def test_item_columns_have_no_border() -> None:
    frame = pl.DataFrame(
        {
            "item": ["i", "i", "j", "j"],
            "annotator": ["a", "b", "a", "b"],
            "value": ["x", "y", "x", "x"],
            "topic": ["t", "t", None, None],
        }
    )
    report = assess(frame, by=["topic"], replicates=10)
    assert set(report.by["topic"]) == {"t", MISSING}
    assert report.by["topic"]["t"].border is None
    assert report.as_json()["by"]["topic"][MISSING]["alpha"] is None


@given(rows=tables, level=levels)
@settings(max_examples=60, deadline=None)
def test_a_sum_over_pairs_is_its_matrix_form(rows: Rows, level: Level) -> None:
    plain = of_rows(rows)
    margins = np.asarray(plain.items @ plain.counts, dtype=float)
    table = distance_matrix(plain, level, margins)
    inside = plain.counts
    outside = plain.counts[::-1]
    wanted = ((inside.toarray() @ table) * outside.toarray()).sum(axis=1)
    assert cross_sum(inside, outside, form_of(level, plain, margins)) == pytest.approx(wanted)
    dense = cross_sum(inside.toarray(), outside.toarray(), form_of(level, plain, margins))
    assert dense == pytest.approx(wanted)


@pytest.mark.parametrize("level", [Level.NOMINAL, Level.ORDINAL, Level.INTERVAL])
def test_readings_that_are_nearly_all_different_have_groups_too(level: Level) -> None:
    generator = np.random.default_rng(7)
    frame = wide_frame(2, items=1500, people=8)
    frame = frame.with_columns(value=pl.Series(generator.normal(size=frame.height)))
    assert frame["value"].n_unique() > 4000
    report = assess(frame, level=level, by=["group"], replicates=20, annotator_replicates=5, top=2)
    assert report.by["group"]["x"].border is not None
    if level is Level.NOMINAL:
        assert report.alpha.value == pytest.approx(0, abs=1e-9)
    else:
        assert abs(report.alpha.value or 1) < 0.1


def test_many_comparisons_widen_the_simultaneous_interval() -> None:
    frame = wide_frame(8, items=200)
    one = assess(frame, by=["group"], replicates=300).by["group"]["x"].border
    more = frame.with_columns(**{f"g{n}": pl.col("group") for n in range(5)})
    many = assess(more, by=["group", *(f"g{n}" for n in range(5))], replicates=300).by["group"]["x"].border
    assert one is not None
    assert many is not None
    assert many.difference_interval == one.difference_interval
    assert many.simultaneous.low is not None
    assert one.simultaneous.low is not None
    assert many.simultaneous.low < one.simultaneous.low < (one.difference_interval.low or 0)
    # 18 comparisons: z of 1 - .05 / 36 is 2.99 standard deviations of the replicates
    assert many.simultaneous.confidence == pytest.approx(1 - 0.05 / 18)


@pytest.mark.slow
def test_the_interval_of_a_difference_covers_as_stated() -> None:
    """Two groups with one truth each: the 95 % interval of inside - across covers the true difference."""
    generator = np.random.default_rng(13)

    def draw(items: int) -> tuple[Any, ...]:
        shared = generator.integers(0, 3, size=items)
        other = np.where(generator.random(items) < 0.8, shared, generator.integers(0, 3, size=items))
        truth = np.concatenate(
            [np.repeat(shared[:, None], 3, axis=1), np.repeat(other[:, None], 3, axis=1)], axis=1
        )
        codes = np.where(
            generator.random(truth.shape) < 0.8, truth, generator.integers(0, 3, size=truth.shape)
        )
        rows = np.repeat(np.arange(items), 6)
        member = np.tile([True] * 3 + [False] * 3, items)
        return rows, codes.ravel(), member

    categories = (0.0, 1.0, 2.0)
    truth = group_agreement(*draw(300_000), n_items=300_000, categories=categories, replicates=1).difference
    assert truth is not None
    inside = 0
    for seed in range(300):
        found = group_agreement(*draw(200), n_items=200, categories=categories, replicates=400, seed=seed)
        span = found.difference_interval
        assert span.low is not None
        assert span.high is not None
        inside += span.low <= truth <= span.high
    assert 0.91 <= inside / 300 <= 0.985
