"""Agreement figures against hand computations, published tables and their own definition."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.agreement import (
    Level,
    ac1,
    alpha,
    coincidence_matrix,
    distance_matrix,
    fleiss_kappa,
    percent_agreement,
)
from annotation.agreement_annotators import annotator_interval, disagreement_by_item
from annotation.agreement_bootstrap import alpha_interval
from annotation.agreement_groups import cross_kappa, group_agreement
from annotation.agreement_report import MISSING, assess, report_of
from annotation.agreement_tally import code, merge_tallies, tally
from annotation.cross_pairs import cross_sum, form_of
from annotation.patterns import PatternHistogram, encode, histogram, histogram_of_matrix, merge
from governance.errors import RecordError

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
Rows = list[list[float]]


def of_rows(rows: Rows) -> PatternHistogram:
    """Histogram of one list of values per item."""
    codes, categories = encode([value for row in rows for value in row])
    items = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return histogram(items, codes, n_items=len(rows), categories=categories)


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


tables = st.lists(st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5), min_size=1, max_size=12)
levels = st.sampled_from(list(Level))


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


def test_report_counts_what_it_leaves_out() -> None:
    frame = pl.DataFrame(
        {
            "item": ["i", "i", "i", "j", None],
            "annotator": ["a", "a", "b", "a", "a"],
            "value": ["x", "y", "x", None, "x"],
        }
    )
    report = assess(frame, replicates=0)
    assert (report.missing, report.repeated) == (2, 1)
    assert report.sizes.judgements == 2
    assert report.percent_agreement.value == 1.0
    assert report.as_json()["low"] is None


def test_words_have_no_rank() -> None:
    frame = pl.DataFrame({"item": ["i", "i"], "annotator": ["a", "b"], "value": ["x", "y"]})
    with pytest.raises(RecordError, match="needs numbers"):
        assess(frame, level=Level.ORDINAL)


def test_cohen_by_hand() -> None:
    answers = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    rows = [
        {"item": i, "annotator": who, "value": pair[k]}
        for i, pair in enumerate(answers)
        for k, who in enumerate("ab")
    ]
    (pair,) = assess(pl.DataFrame(rows), replicates=0).cohen
    assert pair.kappa == pytest.approx(0.4)
    assert (pair.first, pair.second, pair.items) == ("a", "b", 50)


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


def test_disagreement_of_an_item_by_hand() -> None:
    found = disagreement_by_item(
        np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 0, 1, 1]), n_items=3, categories=(1.0, 2.0)
    )
    assert found[0] == pytest.approx(4 / 6)
    assert np.isnan(found[1])
    assert found[2] == 0


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


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(("people", "values"), [(9, 4), (20, 60)])
def test_merged_tallies_are_the_tally_of_the_whole(level: Level, people: int, values: int) -> None:
    frame = wide_frame(3, people=people, values=values)
    settings: dict[str, Any] = {"level": level, "by": ["group", "topic"], "top": 4}
    whole = assess(frame, replicates=40, seed=2, **settings)
    parts = [
        tally(code(part, level=level), **settings)
        for part in (frame.filter(pl.col("item").hash(seed=1) % 3 == n) for n in range(3))
    ]
    merged = report_of(merge_tallies(parts), replicates=40, seed=2)
    assert merged.as_json() == whole.as_json()
    assert whole.comparisons == 3
    assert len(whole.disputed) == 4


def test_a_group_absent_from_a_part_has_the_border_of_the_whole() -> None:
    frame = wide_frame(5).filter((pl.col("group") != "z") | (pl.col("item") < "i030"))
    cut = [frame.filter(pl.col("item") < "i030"), frame.filter(pl.col("item") >= "i030")]
    parts = [tally(code(part, level=Level.NOMINAL), level=Level.NOMINAL, by=["group"]) for part in cut]
    assert "z" not in parts[1].groups["group"]
    merged = report_of(merge_tallies(parts), replicates=30)
    assert merged.as_json() == assess(frame, by=["group"], replicates=30).as_json()


def test_tallies_of_different_kinds_do_not_add_up() -> None:
    coded = code(wide_frame(1), level=Level.NOMINAL)
    one = tally(coded, level=Level.NOMINAL)
    with pytest.raises(ValueError, match="add up"):
        merge_tallies([one, tally(coded, level=Level.NOMINAL, by=["group"])])
    with pytest.raises(ValueError, match="nothing"):
        merge_tallies([])


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


def test_a_table_of_distances_has_a_limit() -> None:
    frame = pl.DataFrame({"item": [0] * 4001, "annotator": range(4001), "value": np.arange(4001.0)})
    with pytest.raises(RecordError, match="too many different values"):
        assess(frame, level=Level.RATIO, replicates=0)


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
