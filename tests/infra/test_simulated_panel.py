"""The panel writes through the real API what people would, once each."""

import httpx
import pytest

from annotation.presentations import make_presentations
from governance.errors import InputError, OutsideError
from infra.label_studio import LabelStudioError
from infra.label_studio_tasks import tasks_by_presentation
from infra.simulated_panel import PanelAnswer, SimulatedPanel, enrolled, seat
from tests.support.label_studio import Collection, result

pytestmark = pytest.mark.servers


def votes(item, row, person):
    return PanelAnswer(label="second_much_better", rationale=None, seconds=4.0)


def test_people_are_made_once_and_say_what_they_are(site):
    panel = SimulatedPanel(site, ["sim-00", "sim-01"])
    recorded = SimulatedPanel(site, ["recorded-1"], simulated=False)
    users = {**panel.enrol(), **recorded.enrol()}
    assert SimulatedPanel(site, ["sim-00", "sim-01"]).enrol() == panel.enrol()
    found = enrolled(site)
    assert {person: found[user].simulated for person, user in users.items()} == {
        "sim-00": True,
        "sim-01": True,
        "recorded-1": False,
    }
    assert 1 not in found  # staff are nobody's panel


def test_the_slots_of_an_item_go_to_different_people(site):
    pairs = Collection(site, items=20, overlap=3)
    people = ["a", "b", "c", "d"]
    taken = {}
    for row in pairs.rows:
        taken.setdefault(row["item"], set()).add(seat(row, people))
    assert all(len(persons) == 3 for persons in taken.values())
    assert len({frozenset(persons) for persons in taken.values()}) > 1
    with pytest.raises(InputError, match="more judgements per item"):
        seat(pairs.rows[2], ["a", "b"])


def test_the_panel_answers_each_presentation_once(site):
    pairs = Collection(site, items=4, overlap=2)
    steps = []
    given = pairs.panel.annotate(pairs.project, pairs.rows, pairs.items, votes, progress=steps.append)
    assert given == len(steps) == 8
    assert pairs.panel.annotate(pairs.project, pairs.rows, pairs.items, votes) == 0
    assert list(pairs.truth().values()) == [["second_much_better"]] * 8


def test_a_person_may_leave_a_presentation_out(site):
    pairs = Collection(site, items=3)
    assert pairs.panel.annotate(pairs.project, pairs.rows, pairs.items, lambda *_: None) == 0
    assert pairs.truth() == {}


def test_an_answer_whose_confirmation_was_lost_is_not_given_twice(site, monkeypatch):
    pairs = Collection(site, items=3)
    create = site.client.annotations.create
    lost = []

    def create_and_lose_one(**fields):
        made = create(**fields)
        if not lost:
            lost.append(made.id)
            raise httpx.ReadError("connection reset")
        return made

    monkeypatch.setattr(site.client.annotations, "create", create_and_lose_one)
    assert pairs.annotate() == 3
    assert len(lost) == 1
    assert len(pairs.truth()) == 3


def test_a_conflict_with_another_answer_is_an_error(site, monkeypatch):
    pairs = Collection(site, items=1)
    pairs.annotate(label="first_better")
    here = tasks_by_presentation(site, pairs.project)
    for tasks in here.values():
        tasks[0]["annotations_ids"] = ""  # as a reader sees it who came before the first answer
    monkeypatch.setattr("infra.simulated_panel.tasks_by_presentation", lambda *_: here)
    assert pairs.annotate(label="first_better") == 1  # the same answer: already there
    with pytest.raises(OutsideError, match="another answer"):
        pairs.annotate(label="second_better")
    assert len(pairs.truth()) == 1


def test_a_label_outside_the_page_is_not_sent(site):
    pairs = Collection(site, items=1)
    with pytest.raises(InputError, match="not an answer of the page"):
        pairs.annotate(label="excellent")
    assert pairs.truth() == {}


def test_presentations_without_tasks_are_an_error(site):
    pairs = Collection(site, items=2, imported=False)
    with pytest.raises(OutsideError, match="has no task"):
        pairs.annotate()


def test_recorded_votes_are_replayed_with_their_people_and_none_is_lost(site):
    pairs = Collection(site, items=200, overlap=3, imported=False)
    people = [f"recorded-{number}" for number in range(3)]
    panel = SimulatedPanel(site, people, simulated=False)

    def recorded(item, row, person):
        return PanelAnswer(label=["first_better", "about_the_same", "second_better"][row["slot"]])

    stored = panel.replay(
        pairs.project, pairs.rows, pairs.items, recorded, person_of=lambda row: people[row["slot"]]
    )
    assert stored == 600
    assert panel.replay(pairs.project, pairs.rows, pairs.items, recorded) == 600
    events = pairs.pull()
    assert len(events) == 600
    for event in events:
        slot = pairs.presentations[event.judgement["presentation"]]["slot"]
        assert event.judgement["annotator"] == people[slot]
        assert event.judgement["simulated"] is False
        assert event.raw["ground_truth"] is False
        assert event.judgement["outcome"] == ["prefers", "tie", "prefers"][slot]


def test_what_the_server_dropped_from_an_import_is_posted(site, monkeypatch):
    # On SQLite, an import while others write stores the tasks and none of their annotations, with 201.
    pairs = Collection(site, items=3, imported=False)
    send = site.send

    def dropping(method, path, *, json=None, params=None):
        stripped = [{"data": task["data"]} for task in json] if path.endswith("/import") else json
        return send(method, path, json=stripped, params=params)

    monkeypatch.setattr(site, "send", dropping)
    assert pairs.panel.replay(pairs.project, pairs.rows, pairs.items, votes) == 3
    monkeypatch.undo()
    assert len(pairs.pull()) == 3


def test_a_replay_after_the_import_answers_the_tasks_that_are_there(site):
    pairs = Collection(site, items=3)
    assert pairs.panel.replay(pairs.project, pairs.rows, pairs.items, votes) == 3
    assert len(pairs.truth()) == 3


def test_the_server_refuses_a_user_it_does_not_know(site):
    pairs = Collection(site, items=1)
    with pytest.raises(LabelStudioError, match="status 400"):
        site.send(
            "POST",
            f"api/tasks/{pairs.tasks[pairs.rows[0]['presentation']]}/annotations/",
            json={"result": result("first_better"), "completed_by": 10**6},
        )


def test_a_panel_needs_distinct_people(site):
    with pytest.raises(InputError, match="distinct people"):
        SimulatedPanel(site, ["a", "a"])


def test_presentations_of_the_panel_are_counterbalanced_over_people(site):
    pairs = Collection(site, items=1, imported=False)
    rows = make_presentations(
        pairs.items.values(),
        site=site.id,
        overlap=4,
        seed=3,
        config_digest="sha256:c",
        policy_digest=None,
        consent=None,
        now=pairs.rows[0]["created_at"],
    )
    orders = [tuple(row["shown"]) for row in rows]
    assert sorted(map(orders.count, set(orders))) == [2, 2]
