"""The assigner by plan on both databases: the laws of every assigner, quotas, roles, limits, what it tells."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from annotation.assignment import OUTSIDE, Every, Limits, Plan, Role
from annotation.gold import KnownAnswer
from annotation.records import Outcome
from governance.errors import InputError
from infra.gold import add_gold, gold_items, gold_rows, remove_gold
from infra.portal_judgements import leave, show, submit
from infra.quota_assigner import QuotaAssigner
from infra.settings import SiteSettings
from infra.tables import METADATA
from infra.tables.people import ANNOTATORS
from tests.support import portal
from tests.support.platform import NOW

LATER = NOW + timedelta(minutes=31)
CELLS = {f"a-{n:04}": "ab"[n % 2] for n in range(12)} | {"a-0011": "elsewhere"}


def plan(**over):
    return Plan(
        **{
            "id": "p",
            "version": "1",
            "strata": ("group",),
            "cells": {("a",): 0.5, ("b",): 0.5},
            "outside": 0.2,
            "overlap": 2,
            **over,
        }
    )


def known_answer(item, role):
    return KnownAnswer(item=item, role=role, outcome=Outcome.TIE, preferred=None)


def assigner(db, wanted=None, *, key="secret of the site"):
    return QuotaAssigner(
        db,
        SiteSettings(id="main", key=key),
        plan=wanted or plan(),
        profile=lambda annotator: {"group": CELLS.get(annotator)},
        policy=lambda _: "sha256:" + "5" * 64,
    )


def answer(db, tmp_path, person, presentation, now=NOW):
    show(db, person, presentation, now=now)
    given = {"choice": "first_better", "rationale": None}
    submit(db, portal.keys(tmp_path), person, presentation, given, seconds=4, now=now + timedelta(seconds=5))


def served(db, tmp_path, give, person, now=NOW):
    """Everything that one person is given until nothing is left; each is answered."""
    found = []
    while (presentation := give.reserve(person.annotator, now)) is not None:
        found.append(presentation)
        answer(db, tmp_path, person, presentation, now)
        give.complete(presentation, now)
    return found


def rows(db, name):
    with db.read() as connection:
        return [dict(row) for row in connection.execute(METADATA.tables[name].select()).mappings()]


def test_quotas_hold_and_everybody_meets_an_item_once(db, tmp_path):
    portal.items(db, 4)
    give, people = assigner(db), [portal.person(db, name) for name in CELLS]
    for person in people:
        served(db, tmp_path, give, person)
    reservations = rows(db, "reservations")
    by_item = Counter(row["item"] for row in reservations)
    assert set(by_item.values()) == {2}
    met = Counter((row["annotator"], row["item"]) for row in reservations)
    assert set(met.values()) == {1}
    by_group = Counter(CELLS[row["annotator"]] for row in reservations)
    # floor(.5 x 2 x 4) + 1 = 5 each, floor(.2 x 2 x 4) = 1 outside, 8 in all
    assert by_group["a"] <= 5
    assert by_group["b"] <= 5
    assert by_group["elsewhere"] <= 1
    assert sum(by_group.values()) == 8
    told = {each.cell: (each.quota, each.done) for each in give.achieved(NOW)}
    assert told["a",] == (5, by_group["a"])
    assert told[OUTSIDE] == (1, by_group["elsewhere"])


def test_one_group_alone_cannot_fill_the_collection(db, tmp_path):
    portal.items(db, 4)
    give = assigner(db)
    for name, group in CELLS.items():
        if group == "a":
            served(db, tmp_path, give, portal.person(db, name))
    found = {each.cell: each for each in give.achieved(NOW + timedelta(hours=1))}
    assert (found["a",].done, found["a",].is_under_filled) == (5, False)
    assert (found["b",].done, found["b",].missing, found["b",].forecast) == (0, 5, None)


def test_a_reservation_that_ends_is_given_to_somebody_else(db, tmp_path):
    portal.items(db, 1)
    give = assigner(db, plan(overlap=1, cells={("a",): 1.0}, outside=0))
    first, second = portal.person(db, "a-0000"), portal.person(db, "a-0002")
    held = give.reserve(first.annotator, NOW)
    assert give.reserve(first.annotator, NOW) == held
    assert give.reserve(second.annotator, NOW) is None
    taken = give.reserve(second.annotator, LATER)
    assert taken not in (None, held)
    # Who comes back late finds the place given away, and is not asked the same again.
    assert give.reserve(first.annotator, LATER) is None
    answer(db, tmp_path, second, taken, LATER)
    assert give.achieved(LATER)[0].done == 1


def test_who_comes_back_in_time_goes_on_and_who_leaves_is_not_asked_again(db, tmp_path):
    portal.items(db, 1)
    give = assigner(db)
    person = portal.person(db, "a-0000")
    held = give.reserve(person.annotator, NOW)
    assert give.reserve(person.annotator, LATER) == held
    show(db, person, held, now=LATER)
    leave(db, portal.keys(tmp_path), person, held, kind="skipped", reason=None, now=LATER)
    give.release(held, LATER)
    assert give.reserve(person.annotator, LATER) is None
    assert give.achieved(LATER)[0].in_flight == 0


def test_orders_are_balanced_within_a_group(db, tmp_path):
    portal.items(db, 6)
    give = assigner(db, plan(overlap=4))
    for name in CELLS:
        served(db, tmp_path, give, portal.person(db, name))
    turns = {}
    for row in rows(db, "placements"):
        turns.setdefault(row["cell"], Counter())[row["turn"]] += 1
    assert len(turns) >= 2
    for counter in turns.values():
        assert abs(counter[0] - counter[1]) <= 1


def test_gold_and_attention_items_come_where_the_plan_says_and_count_for_no_quota(db, tmp_path):
    listed = [row["item"] for row in portal.items(db, 6)]
    known = [known_answer(listed[0], Role.GOLD), known_answer(listed[1], Role.ATTENTION)]
    assert add_gold(db, "main", known, by="staff", now=NOW) == 2
    give = assigner(db, plan(gold=Every(first=2, every=10), attention=Every(first=4, every=10), overlap=1))
    person = portal.person(db, "a-0000")
    by_presentation = {row["presentation"]: row for row in rows(db, "reservations")}
    order = served(db, tmp_path, give, person)
    by_presentation = {row["presentation"]: row["item"] for row in rows(db, "reservations")}
    items = [by_presentation[presentation] for presentation in order]
    assert items[1] == listed[0]
    assert items[3] == listed[1]
    # floor(.5 x 1 x 4) + 1 ordinary ones
    assert give.achieved(NOW)[0].done == len(items) - 2 == 3
    other = portal.person(db, "a-0001")
    assert len(served(db, tmp_path, give, other)) >= 2


def test_known_answers_are_kept_with_who_declared_them_and_never_replaced_in_silence(db):
    listed = [row["item"] for row in portal.items(db, 3)]
    ranked = [row["item"] for row in portal.items(db, 1, kind="ranking", prefix="r")]
    first = known_answer(listed[0], Role.GOLD)
    assert add_gold(db, "main", [first], by="Ada", now=NOW) == 1
    assert add_gold(db, "main", [first], by="Bob", now=LATER) == 0
    [kept] = gold_items(db, "main")
    assert (kept.known, kept.added_by, kept.added_at) == (first, "Ada", NOW)
    other = known_answer(listed[0], Role.ATTENTION)
    for refused, words in (
        ([known_answer(listed[1], Role.GOLD), other], "another known answer"),
        ([known_answer(listed[1], Role.GOLD), known_answer(ranked[0], Role.GOLD)], "cannot be answered"),
    ):
        with pytest.raises(InputError, match=words):
            add_gold(db, "main", refused, by="Bob", now=NOW)
    with pytest.raises(InputError, match="stand behind"):
        add_gold(db, "main", [other], by=" ", now=NOW)
    assert [each.known for each in gold_items(db, "main")] == [first]
    assert add_gold(db, "main", [other], by="Bob", now=LATER, replace=True) == 1
    assert gold_rows(db, "main") == [{"item": listed[0], "outcome": "tie", "preferred": None}]
    assert gold_rows(db, "elsewhere") == []
    with pytest.raises(InputError, match="no known answer"):
        remove_gold(db, "main", [listed[0], listed[1]])
    assert remove_gold(db, "main", [listed[0]]) == 1
    assert gold_items(db, "main") == []


def test_limits_stop_a_person_for_the_day_or_for_good(db, tmp_path):
    portal.items(db, 6)
    person = portal.person(db, "a-0000")
    give = assigner(db, plan(overlap=9, limits=Limits(items=3, items_per_day=2)))
    assert len(served(db, tmp_path, give, person)) == 2
    tomorrow = NOW + timedelta(days=1, minutes=1)
    assert len(served(db, tmp_path, give, person, tomorrow)) == 1
    assert give.reserve(person.annotator, tomorrow + timedelta(days=9)) is None


def test_nobody_without_consent_is_given_anything(db):
    portal.items(db, 2)
    portal.person(db, "a-0000", consents=False)
    assert assigner(db).reserve("a-0000", NOW) is None
    assert assigner(db).reserve("nobody", NOW) is None


def test_in_which_group_somebody_is_cannot_be_read_without_the_key(db):
    portal.items(db, 2)
    portal.person(db, "a-0000")
    give = assigner(db, plan(strata=("group",), cells={("a",): 0.5, ("secretgroup",): 0.5}))
    give.reserve("a-0000", NOW)
    [row] = rows(db, "placements")
    assert len(row["cell"]) == 32
    assert "secretgroup" not in repr(row)
    other = assigner(db, key="another secret")
    assert {each.in_flight for each in other.achieved(NOW) if each.cell != OUTSIDE} == {0}
    with pytest.raises(InputError, match="no key"):
        assigner(db, key="")


def test_many_at_once_exceed_nothing(db, tmp_path):
    portal.items(db, 5)
    people = [portal.person(db, name) for name in CELLS]
    give = assigner(db)

    def work(person):
        return served(db, tmp_path, give, person)

    with ThreadPoolExecutor(6) as pool:
        given = sum(len(each) for each in pool.map(work, people))
    reservations = rows(db, "reservations")
    assert max(Counter(row["item"] for row in reservations).values()) <= 2
    by_group = Counter(CELLS[row["annotator"]] for row in reservations)
    assert (by_group["a"] <= 6, by_group["b"] <= 6, by_group["elsewhere"] <= 2) == (True, True, True)
    assert given == len(reservations) == 10


def test_more_people_than_connections_wait_for_their_turn_without_one(db):
    portal.items(db, 40)
    people = [portal.person(db, f"a-{number:04}").annotator for number in range(30)]

    def profile(annotator):
        with db.read() as connection:  # a second connection beside the transaction's
            who = connection.execute(
                select(ANNOTATORS.c.annotator).where(ANNOTATORS.c.annotator == annotator)
            )
            return {"group": "a" if who.scalar_one() else None}

    give = QuotaAssigner(
        db,
        SiteSettings(id="main", key="secret of the site"),
        plan=plan(overlap=50),
        profile=profile,
        policy=lambda _: None,
    )
    given: list[str | None] = []
    assert portal.together(lambda number: given.append(give.reserve(people[number], NOW)), 30) == []
    assert len(set(given)) == 30
    assert None not in given
