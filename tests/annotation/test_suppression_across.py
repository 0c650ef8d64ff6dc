"""Two releases of nearly the same people: what a reader can count in both tells of nobody."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.suppression import SUPPRESSED, suppress_profiles
from annotation.suppression_across import hide_differences

COLUMNS = ["site", "age", "gender"]
AGES, GENDERS = ["18-24", "25-34", "65+"], ["female", "male"]


def frame(rows):
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def published(rows, earlier=(), *, k=3):
    return hide_differences(suppress_profiles(frame(rows), COLUMNS, k=k), COLUMNS, earlier, k=k)


def counts(table, columns=COLUMNS):
    return Counter(table.select(columns).rows())


def breaches(now, before, *, k, columns=COLUMNS):
    """What a reader of both tables learns about fewer than k people, as an attacker would look for it."""
    here, there = counts(now, columns), counts(before, columns)
    blank = (SUPPRESSED,) * len(columns)
    cells = ({*here, *there}) - {blank}
    found = [cell for cell in cells if 0 < abs(here[cell] - there[cell]) < k]
    changed = [cell for cell in cells if here[cell] != there[cell]]
    said = set(here) - {blank}
    if 0 < abs(now.height - before.height) < k and len(changed) == 1 and said:
        found += changed
    return sorted(set(found))


person = st.tuples(st.just("main"), st.sampled_from(AGES), st.sampled_from(GENDERS))


@settings(max_examples=100, deadline=None)
@given(
    first=st.lists(person, max_size=30),
    leave=st.sets(st.integers(0, 29), max_size=6),
    join=st.lists(person, max_size=6),
    again=st.lists(person, max_size=3),
    k=st.integers(2, 5),
)
def test_no_two_of_three_releases_differ_by_fewer_than_k_people_in_a_cell(first, leave, join, again, k):
    second = [row for place, row in enumerate(first) if place not in leave] + join
    third = second[1:] + again
    tables = []
    for rows in (first, second, third):
        made = published(rows, tables, k=k)
        assert made.height == len(rows)
        for before in tables:
            assert breaches(made, before, k=k) == []
        # What held within one release holds still, and nothing is said that was hidden.
        blank = (SUPPRESSED,) * len(COLUMNS)
        assert all(count >= k or count == len(rows) for count in counts(made).values())
        alone = suppress_profiles(frame(rows), COLUMNS, k=k)
        assert all(new in (old, blank) for new, old in zip(made.rows(), alone.rows(), strict=True))
        tables.append(made)
        # Built again beside itself and all others, it is the same.
        assert published(rows, tables, k=k).equals(made)


def test_somebody_who_left_hides_in_two_cells_and_among_those_of_whom_nothing_is_said():
    old = [("main", age, gender) for age in AGES for gender in GENDERS for _ in range(8)]
    before = published(old)
    plain = suppress_profiles(frame(old[1:]), COLUMNS, k=3)
    assert breaches(plain, before, k=3) == [("main", "18-24", "female")]
    made = published(old[1:], [before])
    assert breaches(made, before, k=3) == []
    here = counts(made)
    # 8 less the one who left less what makes the difference three; and three of another cell beside them.
    assert here["main", "18-24", "female"] == 5
    assert sorted(here.values()) == [5, 5, 5, 8, 8, 8, 8]
    assert sum(here[cell] for cell in here if SUPPRESSED not in cell) == 42


def test_few_newcomers_wait_until_they_are_enough():
    old = [("main", age, gender) for age in AGES for gender in GENDERS for _ in range(8)]
    before = published(old)
    two = published([*old, *[("main", "65+", "male")] * 2], [before])
    assert counts(two)["main", "65+", "male"] <= 8
    three = published([*old, *[("main", "65+", "male")] * 3], [before, two])
    assert breaches(three, two, k=3) == breaches(three, before, k=3) == []


def test_releases_are_compared_on_the_columns_that_both_have():
    old = [("main", age, gender) for age in AGES for gender in GENDERS for _ in range(8)]
    before = published(old).drop("gender")
    made = published(old[1:], [before])
    assert breaches(made, before, k=3, columns=["site", "age"]) == []
    assert published(old[1:], [before.rename({"site": "place", "age": "years"})]).equals(published(old[1:]))


@pytest.mark.parametrize("k", [0, 1])
def test_where_every_cell_may_be_published_nothing_is_hidden(k):
    before = frame([("main", "65+", "male")])
    made = frame([("main", "65+", "male")] * 2)
    assert hide_differences(made, COLUMNS, [before], k=k).equals(made)


def test_the_few_of_a_small_table_say_nothing_of_anybody():
    old = [("main", "65+", "male")] * 3
    made = published(old[1:], [published(old)])
    assert counts(made) == {(SUPPRESSED,) * 3: 2}
