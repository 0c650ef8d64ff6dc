"""Coverage and weights: hand-computed cells, the published census figures, laws, bad tables."""

from __future__ import annotations

import io
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.coverage import coverage
from annotation.coverage_tables import observed_cells, target_cells
from annotation.weights import effective_sample_size, rake, rake_cells
from governance.errors import InputError
from infra.tabular import read_table
from tests.support.shared_data import shared


def csv(text: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(text), infer_schema=False)


def test_by_hand() -> None:
    found = coverage(
        {("a",): 6, ("b",): 1, ("zz",): 3}, {("a",): 0.5, ("b",): 0.3, ("c",): 0.2}, names=("x",), size=10
    )
    # need = floor(.5 * 10) + 1 = 6, 4, 3; b and c are short
    assert [(cell.have, cell.need, cell.take) for cell in found.cells] == [(6, 6, 6), (1, 4, 1), (0, 3, 0)]
    assert found.balanced_size == 7
    assert [cell.stratum for cell in found.under_filled] == [("b",), ("c",)]
    assert found.outside == 3
    # |6/7 - .5| + |1/7 - .3| + |0 - .2| over 2
    assert found.total_variation_before == pytest.approx((6 / 7 - 0.5 + 0.3 - 1 / 7 + 0.2) / 2)
    assert found.as_json()["under_filled"][0] == {"stratum": {"x": "b"}, "have": 1, "need": 4, "missing": 3}


def test_nobody_has_no_distance() -> None:
    found = coverage({}, {("a",): 1.0}, names=("x",), size=5)
    assert found.total_variation_before is None
    assert found.as_json()["balanced_size"] == 0


def test_size_is_the_people_observed() -> None:
    assert coverage({("a",): 4, ("b",): 4, ("c",): 9}, {("a",): 0.5, ("b",): 0.5}, names=("x",)).size == 8


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({("a",): 0.5}, "do not sum to 1"),
        ({("a",): -0.5, ("b",): 1.5}, "from 0"),
        ({("a",): math.nan}, "from 0"),
    ],
)
def test_unsound_targets(target: dict[tuple[str, ...], float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        coverage({}, target, names=("x",))


cells = st.lists(st.integers(0, 50), min_size=1, max_size=8)


@given(counts=cells, data=st.data(), size=st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_laws(counts: list[int], data: st.DataObject, size: int) -> None:
    raw = data.draw(st.lists(st.integers(1, 9), min_size=len(counts), max_size=len(counts)))
    target = {(str(n),): share / sum(raw) for n, share in enumerate(raw)}
    observed = {(str(n),): count for n, count in enumerate(counts)}
    found = coverage(observed, target, names=("x",), size=size)
    assert found.balanced_size <= min(sum(counts), size + len(counts))
    assert all(cell.is_under_filled == (cell.have < cell.need) for cell in found.cells)
    for distance in (found.total_variation_before, found.total_variation_after):
        assert distance is None or 0 <= distance <= 1
    enough = coverage(dict.fromkeys(target, 10000), target, names=("x",), size=size)
    assert enough.under_filled == ()
    # Every cell filled: at most one person too many in each.
    assert size <= enough.balanced_size <= size + len(counts)


@pytest.mark.data
def test_the_published_uk_sample() -> None:
    target = target_cells(read_table(shared("prism-census/uk_census_percent.csv")))
    observed = observed_cells(read_table(shared("prism-census/uk_observed_counts.csv")), names=target.names)
    found = coverage(observed.cells, target.cells, names=target.names, size=300)
    assert target.unit == "percent"
    assert (found.observed, found.balanced_size) == (274, 243)
    assert (len(found.under_filled), len(found.cells)) == (32, 60)
    assert found.total_variation_before == pytest.approx(0.2068, abs=5e-5)


@pytest.mark.data
def test_real_rater_profiles_as_people() -> None:
    target = target_cells(
        csv(
            "Gender,Age,share\n"
            + "".join(
                f"{gender},{age},{0.5 / 3}\n"
                for gender in ("Man", "Woman")
                for age in ("18-30", "30-50", "50+")
            )
        )
    )
    observed = observed_cells(read_table(shared("d3code/d3-raters.csv")), names=target.names)
    found = coverage(observed.cells, target.cells, names=target.names)
    assert observed.form == "people"
    assert found.observed + found.outside == 4309
    assert found.outside == 41  # "Other" stands in no cell of this target
    assert (
        dict(zip([c.stratum for c in found.cells], [c.have for c in found.cells], strict=True))["Man", "50+"]
        == 478
    )


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("g,share\na,0.4\nb,0.6\n", "fractions"),
        ("g,share\na,40\nb,60\n", "percent"),
        ("g,percent\na,40\nb,60\n", "percent"),
        ("g,share\na,40%\nb,60%\n", "percent"),
        ("g,x,y\na,.1,.3\nb,.2,.4\n", "fractions"),
    ],
)
def test_targets_as_they_come(text: str, unit: str) -> None:
    target = target_cells(csv(text))
    assert target.unit == unit
    assert math.fsum(target.cells.values()) == pytest.approx(1)


def test_counts_people_and_wide_tables_agree() -> None:
    long = csv("age,column,count\n18,f,2\n18,m,1\n65,f,0\n65,m,3\n")
    wide = csv("age,f,m\n18,2,1\n65,0,3\n")
    people = csv("age,column,other\n18,f,x\n18,f,x\n18,m,x\n65,m,x\n65,m,x\n65,m,x\n")
    names = ("age", "column")
    expected = {("18", "f"): 2, ("18", "m"): 1, ("65", "m"): 3}
    for frame, form in ((long, "counts"), (wide, "wide counts"), (people, "people")):
        found = observed_cells(frame, names=names)
        assert found.form == form
        assert {cell: count for cell, count in found.cells.items() if count} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g,share\na,x\n", "line|number"),
        ("g,share\na,.5\na,.5\n", "twice"),
        ("share\n1\n", "stratum column"),
        ("g,h\na,b\n", "neither a share"),
        ("g,share\na,inf\n", "number"),
    ],
)
def test_bad_targets(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        target_cells(csv(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age\n18\n", "no column here"),
        ("age,g,count\n18,f,1.5\n", "whole number"),
        ("age,g,count\n18,f,-1\n", "from 0"),
    ],
)
def test_bad_observations(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        observed_cells(csv(text), names=("age", "g"))


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert effective_sample_size(np.ones(7)) == pytest.approx(7)


def test_raking_by_hand() -> None:
    # 3 women and 1 man to half and half: women 2/3, man 2.
    found = rake({"g": ["f", "f", "f", "m"]}, {"g": {"f": 0.5, "m": 0.5}})
    assert found.weights == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert found.converged
    assert found.effective_sample_size == pytest.approx(16 / (3 * 4 / 9 + 4))


def test_the_cap_holds_and_its_cost_is_said() -> None:
    found = rake({"g": ["f"] * 99 + ["m"]}, {"g": {"f": 0.5, "m": 0.5}}, cap=5)
    # The one man counts 5 of 100, the women share the other 95.
    assert found.weights == pytest.approx([95 / 99] * 99 + [5])
    assert found.capped == 1
    assert found.misfit == pytest.approx(0.45)


def test_absent_people_cannot_be_weighted_in() -> None:
    found = rake({"g": ["f", "m"]}, {"g": {"f": 0.4, "m": 0.4, "x": 0.2}})
    assert found.absent == ("g: x",)
    assert found.weights == pytest.approx([1, 1])


@given(
    people=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), min_size=8, max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_raked_margins_fit(people: list[tuple[str, str]]) -> None:
    everyone = [*people, ("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    margins = {"one": [p[0] for p in everyone], "two": [p[1] for p in everyone]}
    targets = {"one": {"a": 0.3, "b": 0.7}, "two": {"x": 0.6, "y": 0.4}}
    found = rake(margins, targets, cap=1e9, iterations=2000)
    assert found.converged
    assert found.weights.mean() == pytest.approx(1)
    for column, shares in targets.items():
        for value, share in shares.items():
            inside = np.array([entry == value for entry in margins[column]])
            assert found.weights[inside].sum() / len(everyone) == pytest.approx(share, abs=1e-6)
    assert found.effective_sample_size <= len(everyone) + 1e-9


def test_cells_rake_like_people() -> None:
    observed = {("a", "x"): 3, ("b", "y"): 2, ("q", "q"): 9}
    target = {("a", "x"): 0.25, ("a", "y"): 0.25, ("b", "x"): 0.25, ("b", "y"): 0.25}
    found = rake_cells(observed, target, names=("one", "two"))
    assert found is not None
    assert len(found.weights) == 5
    assert rake_cells({}, target, names=("one", "two")) is None
