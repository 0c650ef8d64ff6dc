"""Intervals over resampled items and people: a plain loop gives the same, and they cover as often as they say."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import polars as pl
import pytest

from annotation.agreement import (
    Level,
    alpha,
)
from annotation.agreement_annotators import annotator_interval
from annotation.agreement_bootstrap import alpha_interval
from annotation.agreement_report import assess
from annotation.patterns import PatternHistogram, histogram_of_matrix
from tests.support.agreement import Rows, of_rows


def loop_replicates(rows: Rows, level: Level, *, replicates: int, seed: int) -> list[float]:
    generator = np.random.default_rng(seed)
    drawn = (generator.integers(0, len(rows), size=len(rows)) for _ in range(replicates))
    values = (alpha(of_rows([rows[i] for i in chosen]), level).value for chosen in drawn)
    return [value for value in values if value is not None]


@pytest.mark.parametrize("level", [Level.NOMINAL, Level.ORDINAL, Level.INTERVAL])
def test_interval_equals_a_plain_loop_of_resamples(level: Level) -> None:
    generator = np.random.default_rng(8)
    truth = generator.integers(0, 3, size=200)
    rows = [
        [float(t if generator.random() < 0.7 else generator.integers(0, 3)) for _ in range(3)] for t in truth
    ]
    ours = alpha_interval(of_rows(rows), level, replicates=2000, seed=1)
    loop = np.quantile(loop_replicates(rows, level, replicates=500, seed=2), [0.025, 0.975])
    assert [ours.low, ours.high] == pytest.approx(list(loop), abs=0.02)


def test_both_ways_of_drawing_agree() -> None:
    generator = np.random.default_rng(9)
    truth = generator.integers(0, 40, size=400)
    noisy = np.clip(truth[:, None] + generator.integers(-6, 7, size=(400, 3)), 0, 45).astype(float)
    many = of_rows(noisy.tolist())  # nearly one pattern per item: drawn as item numbers
    assert len(many.items) * 8 > many.n_items
    one = alpha_interval(many, Level.INTERVAL, replicates=1500, seed=1)
    loop = np.quantile(
        loop_replicates(noisy.tolist(), Level.INTERVAL, replicates=300, seed=2), [0.025, 0.975]
    )
    assert [one.low, one.high] == pytest.approx(list(loop), abs=0.006)


def test_intervals_cover_as_stated() -> None:
    """95 % intervals of 200 simulated tables cover the true alpha in 92 to 98 % (binomial: +-3 sd of .0154)."""
    generator = np.random.default_rng(11)

    def draw(items: int) -> PatternHistogram:
        truth = generator.integers(0, 3, size=items)
        keep = generator.random((items, 4)) < 0.75
        codes = np.where(keep, truth[:, None], generator.integers(0, 3, size=(items, 4)))
        return histogram_of_matrix(codes, categories=(0.0, 1.0, 2.0))

    truth = alpha(draw(400_000)).value
    assert truth is not None
    inside = 0
    for seed in range(200):
        interval = alpha_interval(draw(150), replicates=400, seed=seed)
        assert interval.low is not None
        assert interval.high is not None
        inside += interval.low <= truth <= interval.high
    assert 0.90 <= inside / 200 <= 0.99


def test_resamples_without_disagreement_are_counted() -> None:
    interval = alpha_interval(of_rows([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), replicates=900, seed=0)
    assert interval.undefined == pytest.approx(100, abs=40)  # all three items alike in 3 of 27 samples
    assert interval.low == interval.high == 1.0


def long_of(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(table >= 0)
    return rows, columns, table[rows, columns]


def test_annotator_interval_equals_a_loop_over_drawn_people() -> None:
    """A replicate is alpha over the drawn people's pairs, none with a copy of oneself: enumerated in Python."""
    table = np.array([[0, 0, 1], [1, 1, 1], [2, 0, 2], [0, 1, -1], [2, 2, 2], [1, 0, 1]])
    rows, people, codes = long_of(table)
    generator = np.random.default_rng(6)
    values = []
    for _ in range(200):
        drawn = generator.integers(0, 3, size=3)
        observed, judged = 0.0, []
        for row in table:
            chosen = [(int(person), int(row[person])) for person in drawn if row[person] >= 0]
            pairs = [
                (a, b) for i, a in enumerate(chosen) for j, b in enumerate(chosen) if i != j and a[0] != b[0]
            ]
            if pairs:
                observed += len(chosen) * sum(a[1] != b[1] for a, b in pairs) / len(pairs)
                judged += [code for _, code in chosen]
        n = len(judged)
        chance = sum(a != b for a, b in permutations(judged, 2)) / (n - 1) if n > 1 else 0
        values.append(1 - observed / chance if chance else np.nan)
    interval = annotator_interval(
        rows, people, codes, n_items=6, n_annotators=3, categories=(0.0, 1.0, 2.0), replicates=200, seed=6
    )
    defined = np.array(values)[~np.isnan(values)]
    assert interval.undefined == 200 - len(defined)
    assert [interval.low, interval.high] == pytest.approx(list(np.quantile(defined, [0.025, 0.975])))


@pytest.mark.parametrize("level", list(Level))
def test_one_outlier_widens_the_interval_over_annotators(level: Level) -> None:
    generator = np.random.default_rng(12)
    truth = generator.integers(1, 4, size=300)
    table = np.repeat(truth[:, None], 6, axis=1)
    table[:, 5] = generator.integers(1, 4, size=300)
    frame = pl.DataFrame(
        [
            {"item": item, "annotator": person, "value": float(table[item, person])}
            for item in range(300)
            for person in range(6)
        ]
    )
    report = assess(frame, level=level, replicates=300, annotator_replicates=300, top=3)
    over_items, over_people = report.interval, report.annotator_interval
    assert over_people is not None
    assert over_people.high == 1.0  # without the outlier all agree
    assert over_items.high is not None
    assert over_items.high < 1
    assert report.as_json()["annotators_low"] == over_people.low
    assert len(report.disputed) == 3
    assert report.disputed[0].disagreement >= report.disputed[1].disagreement > 0


@pytest.mark.slow
@pytest.mark.parametrize("level", [Level.ORDINAL, Level.INTERVAL])
def test_intervals_of_scores_cover_as_stated(level: Level) -> None:
    generator = np.random.default_rng(17)

    def draw(items: int) -> PatternHistogram:
        truth = generator.normal(50, 15, size=items)
        codes = np.clip(np.round(truth[:, None] + generator.normal(0, 10, size=(items, 4))), 1, 100) - 1
        return histogram_of_matrix(codes.astype(int), categories=tuple(float(v) for v in range(1, 101)))

    truth = alpha(draw(200_000), level).value
    assert truth is not None
    inside = 0
    for seed in range(200):
        span = alpha_interval(draw(150), level, replicates=400, seed=seed)
        assert span.low is not None
        assert span.high is not None
        inside += span.low <= truth <= span.high
    assert 0.90 <= inside / 200 <= 0.985
