"""The way under faults, on real servers: killed anywhere and run again, servers gone in the middle, bad data."""

import sqlite3

import pytest

from flows import demonstration
from flows.wiring import open_platform
from infra import catalogue, queues
from infra.stack.probe import ask
from tests.support.stack import eventually
from tests.support.way import COLLECTING, RELEASING, VALIDATING, killed_everywhere, run_step, twin_home

pytestmark = pytest.mark.servers

TARGET = {
    "better": "clearer",
    "asked": "Which?",
    "for_whom": "the simulated people of a test",
    "as_of": "2026-01-02",
}
ITEMS = 8


def stage(home, site, items=ITEMS):
    """The first of the shipped items at a site; the people are the shipped, simulated ones."""
    with open_platform(home) as platform:
        demonstration.stage_demo(platform, site)
        kept = queues.queue(platform.db, site)[:items]
    with sqlite3.connect(home / "platform.db") as database:
        marks = ",".join("?" * len(kept))
        database.execute(f"DELETE FROM queues WHERE site = ? AND item NOT IN ({marks})", [site, *kept])
    return kept


def answer(home, site):
    with open_platform(home) as platform:
        return demonstration.answer_demo(platform, site, seed=3)


def test_collect_validate_and_release_killed_at_every_change_give_what_an_undisturbed_run_gives(
    way_stack, tmp_path
):
    rough, calm = twin_home(way_stack.home, tmp_path / "rough"), twin_home(way_stack.home, tmp_path / "calm")
    for home in (rough, calm):
        stage(home, "north")
    site = {"site": "north"}

    shows, shown = killed_everywhere(rough, "collect", site, durable=COLLECTING, stride=3)
    assert shows > 1
    given = answer(rough, "north")
    assert given == 3 * ITEMS
    pulls, pulled = killed_everywhere(rough, "collect", site, durable=COLLECTING)
    assert pulls > 2
    undisturbed = run_step(calm, "collect", site)["result"]
    assert undisturbed["shown"] == 3 * ITEMS
    assert undisturbed["new"] == given
    assert undisturbed["events"] == pulled["events"] != shown["events"]

    tried, [batch] = killed_everywhere(rough, "validate", site, durable=VALIDATING, stride=2)
    assert tried > 2
    [expected] = run_step(calm, "validate", site)["result"]
    assert {key: batch[key] for key in ("batch", "read", "accepted")} == {
        key: expected[key] for key in ("batch", "read", "accepted")
    }
    assert batch["read"] == batch["accepted"] + batch["quarantined"] == given

    refused = run_step(rough, "release", {"for_study": True})
    assert refused["error"] == "RefusedError"
    assert "alignment target" in refused["text"]
    for_study = {**TARGET, "for_study": True}
    tried, release = killed_everywhere(rough, "release", for_study, durable=RELEASING, stride=2)
    assert tried > 2
    assert release["release"] == run_step(calm, "release", for_study)["result"]["release"]
    # Nothing doubled: one batch, one release, one row of each, whatever was killed.
    with sqlite3.connect(rough / "platform.db") as database:
        counts = [
            database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("batches", "releases", "raw_events")
        ]
    assert counts == [1, 1, given]


def test_label_studio_down_in_the_middle_fails_with_the_reason_and_the_next_run_completes(
    way_stack, tmp_path
):
    home = twin_home(way_stack.home, tmp_path / "home")
    stage(home, "south", items=3)
    run_step(home, "collect", {"site": "south"})
    given = answer(home, "south")
    way_stack.hold("label_studio")
    try:
        down = run_step(home, "collect", {"site": "south"})
    finally:
        way_stack.release("label_studio")
    assert down["error"] in {"LabelStudioError", "OutsideError"}
    assert "Label Studio" in down["text"]
    assert "no answer" in down["text"]
    health = f"{way_stack.settings.sites[0].label_studio_url}/health"
    eventually(lambda: ask(health), seconds=90)
    after = run_step(home, "collect", {"site": "south"})["result"]
    assert after["new"] >= given


def test_a_missing_object_fails_with_its_name_and_nothing_is_recorded(way_stack, tmp_path):
    home = twin_home(way_stack.home, tmp_path / "home")
    stage(home, "north", items=3)
    run_step(home, "collect", {"site": "north"})
    answer(home, "north")
    run_step(home, "collect", {"site": "north"})
    chunks = [path for path in (home / "objects" / "raw").rglob("*") if path.is_file()]
    chunks[0].write_bytes(chunks[0].read_bytes()[:-20])
    spoilt = run_step(home, "validate", {"site": "north"})
    assert spoilt["error"] == "DigestError"
    with sqlite3.connect(home / "platform.db") as database:
        assert database.execute("SELECT count(*) FROM batches").fetchone() == (0,)


def test_steps_out_of_order_say_what_comes_first(way_stack, tmp_path):
    home = twin_home(way_stack.home, tmp_path / "home")
    for step, parameters, hint in (
        ("validate", {"site": "north"}, "bounds collect"),
        ("release", TARGET, "bounds validate"),
        ("train", {}, "bounds release"),
    ):
        answer = run_step(home, step, parameters)
        assert answer["error"] == "InputError"
        assert hint in answer["text"]


def test_presentations_are_written_before_anything_is_shown(way_stack, tmp_path):
    home = twin_home(way_stack.home, tmp_path / "home")
    kept = stage(home, "south", items=2)
    run_step(home, "collect", {"site": "south"}, kill_at=3, durable=COLLECTING)
    with open_platform(home) as platform:
        rows = catalogue.presentations(platform.db, "south")
    assert {row.item for row in rows} == set(kept)
    assert all(row.source_ref is None for row in rows)
