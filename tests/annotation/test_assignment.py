"""Assignment: the plan as data, and its laws over whole simulated collections with people who leave half-way."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.assignment import (
    OUTSIDE,
    Cell,
    Counts,
    Every,
    Limits,
    Pay,
    Plan,
    Role,
    achieved,
    balanced_order,
    choose,
    due_role,
)
from annotation.assignment_plan import parse_plan
from governance.errors import InputError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = """
format: bounds.assignment/1
id: two
version: 1.0.0
strata: [age, gender]
cells:
  - {stratum: {age: 18-34, gender: female}, share: 0.3}
  - {stratum: {age: 18-34, gender: male}, share: 0.2}
  - {stratum: {age: 35+, gender: female}, share: 0.5}
outside: 0.1
overlap: 3
gold: {first: 2, every: 5}
attention: {first: 4, every: 5}
limits: {items: 40, items_per_day: 20, seconds_per_day: 7200}
pay: {per_item: 0.5, fair_per_hour: 12, currency: GBP}
"""


def plan(**over: Any) -> Plan:
    shares: dict[Cell, float] = {("a",): 0.5, ("b",): 0.3, ("c",): 0.2}
    return Plan(
        **{
            "id": "p",
            "version": "1",
            "strata": ("x",),
            "cells": shares,
            "outside": 0.1,
            "overlap": 3,
            **over,
        }
    )


def test_a_plan_is_data() -> None:
    found = parse_plan(TEXT, name="plan.yaml")
    assert found.cell_of({"age": "35+", "gender": "female"}) == ("35+", "female")
    # A declined answer, or one the target does not know, is nobody else's.
    for profile in ({"age": "35+"}, {"age": "35+", "gender": None}, {"age": "35+", "gender": "male"}):
        assert found.cell_of(profile) == OUTSIDE
    assert found.target(("35+", "female")) == pytest.approx(1.5)
    # floor(.5 x 3 x 10) + 1 and floor(.1 x 3 x 10); a share of nothing is no quota
    assert (found.quota(("35+", "female"), 10), found.quota(OUTSIDE, 10)) == (16, 3)
    assert plan(outside=0).quota(OUTSIDE, 10) == 0
    assert [due_role(found, n) for n in range(1, 8)] == [
        Role.ORDINARY,
        Role.GOLD,
        Role.ORDINARY,
        Role.ATTENTION,
        Role.ORDINARY,
        Role.ORDINARY,
        Role.GOLD,
    ]
    assert found.digest == parse_plan("# a comment\n" + TEXT, name="other").digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share: 0.5", "share: 0.9", "do not sum to 1"),
        ("share: 0.5", "share: -0.5", "from 0"),
        ("outside: 0.1", "outside: 2", "not a share"),
        ("overlap: 3", "overlap: 0", "no judgement"),
        ("every: 5}\nattention", "every: 1}\nattention", "not a rule"),
        ("gender: male}", "gender: female}", "stands twice"),
        ("{age: 35+, gender: female}", "{age: 35+}", "other strata"),
        ("overlap: 3", "overlap: 3\nothers: 1", "no such field"),
        ("format: bounds.assignment/1", "format: x", "not a plan"),
        ("items: 40", "itmes: 40", "not a plan"),
        ("outside: 0.1\n", "", "outside"),
    ],
)
def test_unsound_plans(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message):
        parse_plan(TEXT.replace(old, new), name="plan.yaml")


def test_the_greatest_deficit_by_hand() -> None:
    two = plan(cells={("a",): 0.5, ("b",): 0.5}, overlap=2)
    # a's target is 1 per item. On i1 it has 1 (deficit 0), on i2 none (1), on i3 none (1) but b was there.
    counts = Counts.of({("i1", ("a",)): 1, ("i3", ("b",)): 1})
    ask: dict[str, Any] = {"cell": ("a",), "annotator": "p", "items": ["i1", "i2", "i3"], "seed": 1}
    assert choose(two, met=(), counts=counts, **ask) == "i2"
    assert choose(two, met=["i2"], counts=counts, **ask) == "i3"
    assert choose(two, met=["i2", "i3"], counts=counts, **ask) == "i1"
    assert choose(two, met=["i1", "i2", "i3"], counts=counts, **ask) is None


def test_limits_and_pay_by_hand() -> None:
    limits = Limits(items=10, items_per_day=5, seconds_per_day=60)
    assert limits.reached(items=9, items_today=4, seconds_today=59) is None
    assert limits.reached(items=10, items_today=0, seconds_today=0) == "10 judgements in all"
    assert limits.reached(items=0, items_today=5, seconds_today=0) == "5 judgements within a day"
    assert limits.reached(items=0, items_today=0, seconds_today=60) == "60 seconds within a day"
    pay = Pay(per_item=0.5, fair_per_hour=12, currency="GBP")
    # 10 judgements in 600 s are 5.00 in a sixth of an hour: 30 an hour.
    assert pay.per_hour(items=10, seconds=600) == pytest.approx(30)
    assert pay.is_fair(items=10, seconds=600) is True
    # The same in an hour are 5.00 an hour; 7.00 are missing.
    assert pay.is_fair(items=10, seconds=3600) is False
    assert pay.missing(items=10, seconds=3600) == pytest.approx(7)
    assert pay.is_fair(items=0, seconds=0) is None


def test_achieved_names_the_short_cells_and_when_they_fill() -> None:
    found = achieved(
        plan(overlap=1),
        items=10,
        done={("a",): 6, ("b",): 1},
        in_flight={("b",): 1},
        done_last_day={("b",): 1},
        now=NOW,
    )
    a, b, c, outside = found
    assert (a.quota, a.is_under_filled, a.forecast) == (6, False, None)
    # 4 wanted, 1 there, 1 a day: three days more.
    assert (b.missing, b.in_flight, b.forecast) == (3, 1, NOW + timedelta(days=3))
    assert (c.missing, c.is_under_filled, c.forecast) == (3, True, None)
    assert (outside.quota, outside.is_under_filled) == (1, False)


def test_gold_is_due_at_stated_places() -> None:
    assert [n for n in range(1, 20) if Every(first=3, every=7).is_due(n)] == [3, 10, 17]


moves = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from(["ask", "ask", "ask", "finish", "finish", "leave"])),
    max_size=140,
)


@given(moves=moves, overlap=st.integers(1, 3), items=st.integers(1, 8), seed=st.integers(0, 3))
@settings(max_examples=120, deadline=None)
def test_laws_of_a_collection(moves: list[tuple[int, str]], overlap: int, items: int, seed: int) -> None:
    wanted = plan(overlap=overlap)
    everything = [f"i{n}" for n in range(items)]
    cells: list[Cell] = [("a",), ("a",), ("a",), ("b",), ("b",), ("c",), OUTSIDE, OUTSIDE]
    held: dict[int, str] = {}
    done: list[tuple[int, str]] = []
    met: dict[int, list[str]] = {n: [] for n in range(8)}
    for person, move in moves:
        counting = [*done, *held.items()]
        counts = Counts.of(Counter((item, cells[who]) for who, item in counting))
        if move == "ask" and person not in held:
            ask: dict[str, Any] = {
                "cell": cells[person],
                "annotator": f"p{person}",
                "items": everything,
                "met": met[person],
                "counts": counts,
                "seed": seed,
            }
            item = choose(wanted, **ask)
            assert choose(wanted, **ask) == item
            if item is not None:
                held[person] = item
                met[person].append(item)
        elif move == "finish" and person in held:
            done.append((person, held.pop(person)))
        elif move == "leave" and person in held:
            del held[person]
        counting = [*done, *held.items()]
        by_item = Counter(item for _, item in counting)
        by_cell = Counter(cells[who] for who, _ in counting)
        assert all(count <= overlap for count in by_item.values())
        assert all(count <= wanted.quota(cell, items) for cell, count in by_cell.items())
    assert all(len(set(seen)) == len(seen) for seen in met.values())


@given(
    showings=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=80),
    places=st.integers(2, 4),
    seed=st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_the_order_is_balanced_within_every_cell(
    showings: list[tuple[str, int]], places: int, seed: int
) -> None:
    of_cell: dict[str, Counter[int]] = {name: Counter() for name in "abc"}
    of_item: dict[int, Counter[int]] = {n: Counter() for n in range(6)}
    firsts: dict[str, Counter[int]] = {name: Counter() for name in "abc"}
    for cell, item in showings:
        ids = [f"{item}.{place}" for place in range(places)]
        order, turn = balanced_order(
            ids,
            item=str(item),
            turns_of_cell=of_cell[cell],
            turns_of_item=of_item[item],
            seed=seed,
        )
        assert sorted(order) == ids
        of_cell[cell][turn] += 1
        of_item[item][turn] += 1
        firsts[cell][ids.index(order[0])] += 1
    for counter in firsts.values():
        counts = [counter[place] for place in range(places)]
        assert max(counts) - min(counts) <= 1
