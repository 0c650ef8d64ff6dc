"""Who is given what next without a plan, the same on SQLite and on a real PostgreSQL; its laws under any course of events."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from annotation.ports import Assigner
from governance.errors import RecordError
from infra import consents, enrolment
from infra.database import Database
from infra.portal_judgements import (
    Submitted,
    held,
    leave,
    save_draft,
    show,
    submit,
)
from infra.tables.items import PRESENTATIONS
from infra.tables.portal import PORTAL_JUDGEMENTS, RESERVATIONS
from tests.support import portal
from tests.support.platform import NOW

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


class TestAssignment:
    def test_it_implements_the_port(self, db):
        port: Assigner = portal.assigner(db)
        assert port.reserve("a-none", NOW) is None

    def test_the_presentation_is_written_before_it_is_shown_and_stays_until_answered(self, db, keys):
        [item] = portal.items(db, 1)
        who = portal.person(db)
        port = portal.assigner(db)
        first = port.reserve("a-0001", NOW)
        assert port.reserve("a-0001", LATER) == first
        with db.read() as connection:
            row = connection.execute(select(PRESENTATIONS)).one()
        assert (row.presentation, row.item_digest, row.source) == (first, item["digest"], "portal")
        assert row.consent == consents.consent_state(db, "main", "a-0001").consent
        assert held(db, keys, who, first).order == tuple(row.shown)

    def test_nobody_meets_an_item_twice_and_no_item_gets_more_than_wanted(self, db, keys):
        portal.items(db, 3)
        port = portal.assigner(db, overlap=2)
        given = []
        for name in ("a-1", "a-2", "a-3"):
            who = portal.person(db, name)
            while (presentation := port.reserve(name, NOW)) is not None:
                given.append((name, held(db, keys, who, presentation).item["item"]))
                assert portal.judge(db, keys, who, presentation) is Submitted.STORED
        assert len(given) == len(set(given)) == 6
        assert set(Counter(item for _, item in given).values()) == {2}

    def test_each_order_is_shown_equally_often(self, db, keys):
        portal.items(db, 1, candidates=2)
        portal.items(db, 1, candidates=3, kind="ranking", prefix="r")
        port = portal.assigner(db, overlap=6)
        orders: dict[str, Counter] = {}
        for number in range(6):
            who = portal.person(db, f"a-{number}")
            while (presentation := port.reserve(f"a-{number}", NOW)) is not None:
                shown = held(db, keys, who, presentation)
                orders.setdefault(shown.kind, Counter())[shown.order] += 1
                answer = {"choice": "first_better"} if shown.kind == "pairwise" else {"ranks": [2, 1, 3]}
                portal.judge(db, keys, who, presentation, answer=answer)
        assert sorted(orders["pairwise"].values()) == [3, 3]
        assert sorted(orders["ranking"].values()) == [2, 2, 2]

    def test_a_reservation_expires_and_its_place_is_given_away(self, db, keys):
        portal.items(db, 1)
        slow, quick = portal.person(db, "a-slow"), portal.person(db, "a-quick")
        port = portal.assigner(db, overlap=1)
        first = port.reserve("a-slow", NOW)
        show(db, slow, first, now=NOW)
        assert port.reserve("a-quick", NOW + timedelta(minutes=29)) is None
        second = port.reserve("a-quick", NOW + timedelta(minutes=30))
        assert second not in {None, first}
        late = NOW + timedelta(minutes=31)
        assert (
            submit(db, keys, slow, first, {"choice": "first_better"}, seconds=1, now=late)
            is Submitted.GIVEN_AWAY
        )
        assert port.reserve("a-slow", late) is None
        assert portal.judge(db, keys, quick, second, now=late) is Submitted.STORED

    def test_who_comes_back_late_goes_on_if_the_place_is_still_free(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        port = portal.assigner(db, overlap=1)
        first = port.reserve("a-0001", NOW)
        assert save_draft(db, keys, who, first, {"choice": "first_better"}, now=NOW)
        assert port.reserve("a-0001", NOW + timedelta(days=3)) == first
        assert held(db, keys, who, first).draft == {"choice": "first_better"}

    def test_a_released_place_is_free_for_others_and_not_offered_again(self, db):
        portal.items(db, 1)
        portal.person(db, "a-1"), portal.person(db, "a-2")
        port = portal.assigner(db, overlap=1)
        port.release(port.reserve("a-1", NOW), NOW)
        assert port.reserve("a-1", NOW) is None
        assert port.reserve("a-2", NOW) is not None

    def test_nobody_is_served_without_consent_or_after_being_stopped(self, db):
        portal.items(db, 2)
        port = portal.assigner(db)
        portal.person(db, "a-none", consents=False)
        assert port.reserve("a-none", NOW) is None
        portal.person(db, "a-1")
        assert port.reserve("a-1", NOW) is not None
        version = consents.record_version(db, portal.TEXT, now=NOW)
        consents.decide(db, "main", "a-1", version, {"collection": False}, now=NOW)
        assert port.reserve("a-1", NOW) is None

    def test_many_at_once_never_exceed_what_is_wanted(self, db):
        portal.items(db, 4)
        port = portal.assigner(db, overlap=2)
        for number in range(12):
            portal.person(db, f"a-{number}")
        got: list[str | None] = [None] * 12

        def reserve(number):
            got[number] = port.reserve(f"a-{number}", NOW)

        assert portal.together(reserve, 12) == []
        assert sum(each is not None for each in got) == 8
        with db.read() as connection:
            rows = connection.execute(select(RESERVATIONS.c.item)).scalars().all()
        assert set(Counter(rows).values()) == {2}

    def test_the_same_seed_gives_the_same_way(self, db, tmp_path):
        portal.items(db, 5)
        portal.person(db)
        with Database(f"sqlite:///{tmp_path / 'other.db'}", now=NOW) as other:
            portal.items(other, 5)
            portal.person(other)
            way = [walk(each) for each in (db, other)]
        assert way[0] == way[1]
        assert len(way[0]) == 5

    @pytest.mark.parametrize(("kind", "candidates"), [("pairwise", 3), ("ranking", 5), ("text", 2)])
    def test_what_the_page_cannot_show_is_refused(self, db, kind, candidates):
        with pytest.raises(RecordError):
            portal.items(db, 1, candidates=candidates, kind=kind)


def walk(db):
    port, found = portal.assigner(db), []
    while (presentation := port.reserve("a-0001", NOW)) is not None:
        found.append(presentation)
        port.release(presentation, NOW)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(["take", "take", "judge", "skip", "wait", "withdraw"]),
            st.integers(0, 40),
        ),
        max_size=40,
    )
)
def test_laws_of_assignment_hold_under_any_course_of_events(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("laws")
    keys = portal.keys(folder)
    with Database(f"sqlite:///{folder / 'p.db'}", now=NOW) as db:
        portal.items(db, 3)
        port = portal.assigner(db, overlap=2)
        people = [portal.person(db, f"a-{number}") for number in range(5)]
        now, mine = NOW, {}
        for number, act, minutes in steps:
            who = people[number]
            if act == "wait":
                now += timedelta(minutes=minutes)
            elif act == "take":
                mine[number] = port.reserve(who.annotator, now)
            elif act == "withdraw":
                enrolment.request_withdrawal(db, "main", who.annotator, via="portal", now=now)
            elif mine.get(number):
                if act == "judge":
                    show(db, who, mine[number], now=now)
                    submit(db, keys, who, mine[number], {"choice": "first_better"}, seconds=1, now=now)
                else:
                    leave(db, keys, who, mine[number], kind="skipped", reason=None, now=now)
            with db.read() as connection:
                rows = connection.execute(select(RESERVATIONS)).all()
                done = set(connection.execute(select(PORTAL_JUDGEMENTS.c.presentation)).scalars())
            live = Counter(
                row.item
                for row in rows
                if row.state == "done" or (row.state == "held" and row.expires_at > now)
            )
            assert all(count <= 2 for count in live.values())
            assert len({(row.annotator, row.item) for row in rows}) == len(rows)
            assert {row.presentation for row in rows if row.state == "done"} == done
            assert all(
                sum(r.annotator == p.annotator and r.state == "held" for r in rows) <= 1 for p in people
            )
