"""The incremental reader on a real server: nothing lost, nothing doubled, nothing that names a person."""

import json
import sqlite3
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from typer.testing import CliRunner

from annotation.events import EventKind, EventPage
from annotation.label_config import ANSWERS
from annotation.presentations import task_data
from annotation.records import JUDGEMENTS
from flows.cli import build
from flows.wiring import open_platform
from governance.errors import InputError, OutsideError, RecordError, RefusedError
from infra import catalogue
from infra.events import write_events
from infra.label_studio import LabelStudioSite
from infra.label_studio_pull import LabelStudioSource, pseudonym
from infra.stack.secrets import ensure_site_key
from tests.support.label_studio import CONFIG, NO_OVERLAP, Collection, Known, labels, result
from tests.support.platform import NOW, import_record

pytestmark = pytest.mark.servers


def kinds(events):
    return [(event.ref, event.kind, event.revision) for event in events]


def test_a_pull_reads_everything_once_and_then_nothing(site):
    pairs = Collection(site, items=8, overlap=3)
    assert pairs.annotate() == 24
    events = pairs.pull()
    assert len(events) == 24
    assert pairs.held() == pairs.truth()
    assert pairs.pull() == []


def test_judgements_are_unblinded_through_their_presentation(site):
    pairs = Collection(site, items=6, overlap=2)
    pairs.annotate(label="first_better")
    events = pairs.pull()
    preferred = {}
    for event in events:
        judgement = event.judgement
        assert set(judgement) == set(JUDGEMENTS.names) - {"source_digest"}
        row = pairs.presentations[judgement["presentation"]]
        assert judgement["preferred"] == row["shown"][0]
        assert judgement["simulated"] is True
        assert judgement["annotator"] in pairs.people
        assert judgement["seconds"] == 2.0
        preferred.setdefault(judgement["item"], set()).add(judgement["preferred"])
    # Both orders of each item were shown, and "the first" was chosen both times: a tie in the mean.
    assert all(len(candidates) == 2 for candidates in preferred.values())


def test_edits_deletions_and_returns_are_events_in_order(site):
    pairs = Collection(site, items=5)
    pairs.annotate()
    pairs.pull()
    first, second, *_ = sorted(pairs.truth())
    site.client.annotations.update(id=first, result=result("second_better"))
    site.client.annotations.delete(id=second)
    project = pairs.project
    changed = pairs.pull()
    assert kinds(changed) == [
        (f"{project}/{first}", EventKind.STATED, 2),
        (f"{project}/{second}", EventKind.DELETED, 2),
    ]
    assert changed[0].judgement["strength"] in (2, -2)
    assert pairs.pull() == []
    assert pairs.annotate() == 1  # the freed presentation is answered anew
    again = pairs.pull()
    assert [event.kind for event in again] == [EventKind.STATED]
    assert pairs.held() == pairs.truth()


def test_bulk_deletions_of_annotations_and_of_tasks_are_found(site):
    pairs = Collection(site, items=12)
    pairs.annotate()
    pairs.pull()
    tasks = sorted(pairs.tasks.values())
    for action, chosen in (("delete_tasks_annotations", tasks[:4]), ("delete_tasks", tasks[4:8])):
        site.send(
            "POST",
            "api/dm/actions/",
            params={"id": action, "project": pairs.project},
            json={"selectedItems": {"all": False, "included": chosen}},
        )
    events = pairs.pull()
    assert [event.kind for event in events] == [EventKind.DELETED] * 8
    assert len(pairs.held()) == 4


def test_a_deleted_user_leaves_a_judgement_that_says_so(site):
    pairs = Collection(site, items=6, overlap=3)
    pairs.annotate()
    before = {event.ref: event for event in pairs.pull()}
    gone = pairs.panel.enrol()[pairs.people[1]]
    try:
        site.client.users.delete(id=gone)
        events = pairs.pull(overlap=NO_OVERLAP)
        theirs = [ref for ref, event in before.items() if event.judgement["annotator"] == pairs.people[1]]
        assert sorted(event.ref for event in events) == sorted(theirs)
        assert all("no longer recorded" in event.problem for event in events)
        assert pairs.pull() == []
    finally:
        # The server is shared: the panel's people are made again by whoever needs them.
        pairs.panel._users = None
        pairs.panel.enrol()


def test_an_event_names_nobody(site):
    pairs = Collection(site, items=3)
    pairs.annotate()
    site.client.annotations.create(
        id=next(iter(pairs.tasks.values())), completed_by=1, result=result("cannot_judge"), lead_time=1.0
    )
    events = pairs.pull()
    assert len(events) == 4
    stored = json.dumps([event.as_json() for event in events])
    for word in ("@", "Simulated ", "username", "hidden-model", "completed_by"):
        assert word not in stored
    staff = [event for event in events if not event.judgement["simulated"]]
    assert [event.judgement["annotator"] for event in staff] == [pseudonym(b"a key for tests", 1)]


def test_what_the_server_stores_unchecked_becomes_a_problem_and_stays(site):
    pairs = Collection(site, items=6)
    tasks = list(pairs.tasks.values())
    cases = [
        (result("excellent"), "outside the scheme"),
        ([], "empty"),
        (result("first_better", "second_better"), "more than one"),
        ([{**result("first_better")[0], "from_name": "toxicity"}], "does not ask"),
        ([{**result("first_better")[0], "value": {"choices": [2**60]}}], "not a list"),
    ]
    for task, (answer, _) in zip(tasks, cases, strict=False):
        site.send("POST", f"api/tasks/{task}/annotations/", json={"result": answer, "completed_by": 1})
    changed = site.get(f"api/tasks/{tasks[5]}/")["data"]
    site.client.annotations.create(id=tasks[5], result=result("first_better"), completed_by=1)
    site.send("PATCH", f"api/tasks/{tasks[5]}/", json={"data": {**changed, "first": "another answer"}})
    own = {"presentation": "p-by-hand", "prompt": "by hand", "first": "1", "second": "2"}
    site.send("POST", f"api/projects/{pairs.project}/import", json=[{"data": own}])
    by_hand = site.get("api/tasks/", {"project": pairs.project, "page_size": 100})["tasks"][-1]["id"]
    site.client.annotations.create(id=by_hand, result=result("first_better"), completed_by=1)
    words = [words for _, words in cases] + ["not what was presented", "no presentation"]
    events = pairs.pull()
    assert len(events) == len(words)
    for event, expected in zip(events, words, strict=True):
        assert event.judgement is None
        assert expected in event.problem
    assert pairs.pull() == []


def test_a_skipped_task_is_a_problem(site):
    pairs = Collection(site, items=1)
    task = next(iter(pairs.tasks.values()))
    site.client.annotations.create(id=task, result=result("first_better"), completed_by=1, was_cancelled=True)
    assert [event.problem for event in pairs.pull()] == ["skipped by the annotator"]


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_page_size_does_not_matter(site, size):
    pairs = Collection(site, items=7, overlap=2)
    pairs.annotate()
    assert [event.digest for event in pairs.pull(page_size=size)] == [
        event.digest for event in Collection.pull(fresh(pairs))
    ]


def fresh(pairs):
    """The same collection for a reader that knows nothing."""
    copy = object.__new__(Collection)
    copy.__dict__.update(pairs.__dict__, known=Known(), cursor=None)
    return copy


@pytest.mark.parametrize(
    "pages", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_pull_killed_between_pages_goes_on_without_loss_or_double(site, pages):
    pairs = Collection(site, items=10)
    pairs.annotate()
    first = pairs.pull(pages=pages, page_size=2)
    assert len(first) == 2 * pages
    # What changes meanwhile among the tasks already read is found by the pull after the next.
    site.client.annotations.update(id=min(pairs.truth()), result=result("about_the_same"))
    pairs.pull(page_size=2)
    pairs.pull(page_size=2)
    assert pairs.held() == pairs.truth()
    refs = [(event.ref, event.revision) for event in pairs.known.events]
    assert len(refs) == len(set(refs)) == 10 + (pages > 0)


def test_a_page_stored_without_its_cursor_is_read_again_and_left_out(site):
    pairs = Collection(site, items=6)
    pairs.annotate()
    page = next(iter(pairs.source(page_size=4).pages(None, pairs.known)))
    pairs.known.events.extend(page.events)  # killed before the cursor was stored
    assert len(page.events) == 4
    assert len(pairs.pull(page_size=4)) == 2
    assert pairs.held() == pairs.truth()


def test_an_annotation_that_moved_nothing_is_found_by_the_sweep(site, annotation_server):
    # A transaction that commits after the watermark with times before it: made by turning the clock back.
    pairs = Collection(site, items=4)
    pairs.annotate(pairs.rows[:2])
    pairs.pull()
    pairs.annotate()
    with sqlite3.connect(database_of(annotation_server), timeout=30) as database:
        database.execute(
            "UPDATE task SET updated_at = '2020-01-01 00:00:00' WHERE project_id = ?", [pairs.project]
        )
    database.close()
    assert len(pairs.pull(overlap=NO_OVERLAP)) == 2
    assert pairs.held() == pairs.truth()


def database_of(stack):
    found = [path for path in stack.home.rglob("*.sqlite3") if "label" in str(path)]
    assert len(found) == 1
    return found[0]


def test_more_annotation_ids_than_the_server_lists_are_all_swept(site):
    pairs = Collection(site, items=1, imported=False)
    row = pairs.rows[0]
    many = [
        {"completed_by": 1, "result": result("first_better"), "ground_truth": False, "lead_time": 1.0}
    ] * 150
    site.send(
        "POST",
        f"api/projects/{pairs.project}/import",
        json=[{"data": task_data(row, pairs.items[row["item"]]), "annotations": many}],
    )
    events = pairs.pull()
    assert len(events) == 150
    last = int(events[-1].ref.partition("/")[2])
    site.client.annotations.delete(id=last)
    assert kinds(pairs.pull()) == [(f"{pairs.project}/{last}", EventKind.DELETED, 2)]


def test_a_deleted_project_stops_the_pull_until_it_is_accepted(site):
    pairs = Collection(site, items=3)
    pairs.annotate()
    pairs.pull()
    site.client.projects.delete(id=pairs.project)
    with pytest.raises(OutsideError, match="was read before and is gone"):
        pairs.pull()
    events = pairs.pull(accept_missing=frozenset([pairs.project]))
    assert [event.kind for event in events] == [EventKind.DELETED] * 3
    assert pairs.held() == {}


def test_answers_to_a_page_that_was_edited_are_not_read_as_answers_to_ours(site):
    pairs = Collection(site, items=2)
    pairs.annotate()
    place = f"api/projects/{pairs.project}/"
    swapped = CONFIG.replace("First much better", "?").replace("Second much better", "First much better")
    site.send("PATCH", place, json={"label_config": swapped})
    with pytest.raises(RefusedError, match="changed on the server"):
        pairs.pull()
    site.send("PATCH", place, json={"label_config": CONFIG})
    assert len(pairs.pull()) == 2


def test_two_projects_of_a_site_are_one_source(site):
    first, second = Collection(site, items=3), Collection(site, items=3, title="harder pairs")
    first.annotate()
    second.presentations.update(first.presentations)
    second.annotate()
    assert {event.ref.partition("/")[0] for event in second.pull()} == {
        str(first.project),
        str(second.project),
    }


def test_nothing_is_lost_while_people_write(site):
    """Creates, edits and deletes go on while pulls run one after the other; afterwards both sides agree."""
    pairs = Collection(site, items=45)
    pairs.annotate(pairs.rows[:25])
    done = threading.Event()
    failures = []

    def write():
        try:
            with LabelStudioSite(site.settings) as other:
                ids = sorted(pairs.truth())
                cycle = list(ANSWERS)
                for number, row in enumerate(pairs.rows[25:]):
                    task = pairs.tasks[row["presentation"]]
                    made = other.client.annotations.create(
                        id=task, result=result(cycle[number % 9]), completed_by=1, lead_time=1.0
                    )
                    if number % 3 == 0:
                        other.client.annotations.update(id=ids[number % 20], result=result(cycle[number % 7]))
                    if number % 5 == 0:
                        other.client.annotations.delete(id=made.id)
                    if number == 10:
                        other.client.annotations.delete(id=ids[24])
        except Exception as error:  # noqa: BLE001 - reported by the test, in its own thread
            failures.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    pulls = 0
    while not done.is_set():
        pairs.pull(page_size=5, overlap=NO_OVERLAP)
        pulls += 1
    writer.join()
    assert failures == []
    assert pulls > 1
    pairs.pull(page_size=5)
    assert pairs.held() == pairs.truth()
    refs = [(event.ref, event.revision) for event in pairs.known.events]
    assert len(refs) == len(set(refs))


def test_a_server_that_restarts_in_the_middle_is_waited_for(site, annotation_server):
    pairs = Collection(site, items=12)
    pairs.annotate()
    pages = pairs.source(page_size=3).pages(None, pairs.known)
    first = next(pages)
    annotation_server.hold("label_studio")
    release = threading.Timer(1.0, annotation_server.release, ["label_studio"])
    release.start()
    rest = list(pages)
    release.join()
    events = [*first.events, *(event for page in rest for event in page.events)]
    assert len({event.ref for event in events}) == len(events) == 12


def test_a_server_that_stays_down_fails_and_the_next_pull_completes(site, annotation_server):
    pairs = Collection(site, items=9)
    pairs.annotate()
    with LabelStudioSite(site.settings, patience=1.0) as hasty:
        source = LabelStudioSource(hasty, presentations=pairs.presentations, items=pairs.items, page_size=3)
        pages = source.pages(None, pairs.known)
        page = next(pages)
        pairs.known.events.extend(page.events)
        pairs.cursor = page.cursor
        annotation_server.hold("label_studio")
        with pytest.raises(OutsideError, match="no answer"):
            list(pages)
    annotation_server.release("label_studio")
    pairs.pull(page_size=3)
    assert pairs.held() == pairs.truth()
    assert len({event.ref for event in pairs.known.events}) == 9


def test_a_cursor_of_something_else_is_refused(site):
    pairs = Collection(site, items=1)
    for cursor in ("12", "{}", '{"format": "other"}', "not json"):
        with pytest.raises(RecordError, match="not a cursor"):
            next(pairs.source().pages(cursor, pairs.known))


@given(st.binary(min_size=1, max_size=40), st.integers(1, 10**6), st.integers(1, 10**6))
def test_pseudonyms_are_keyed_stable_and_distinct(key, one, two):
    assert pseudonym(key, one) == pseudonym(key, one) != pseudonym(key + b"x", one)
    assert (pseudonym(key, one) == pseudonym(key, two)) == (one == two)
    assert len(pseudonym(key, one)) == 18


def test_without_a_key_there_is_no_pseudonym(site):
    keyless = site.settings.model_copy(update={"key": SecretStr("")})
    pairs = Collection(site, items=1)
    site.client.annotations.create(
        id=next(iter(pairs.tasks.values())), completed_by=1, result=result("cannot_judge")
    )
    with LabelStudioSite(keyless) as server:
        source = LabelStudioSource(server, presentations=pairs.presentations, items=pairs.items)
        with pytest.raises(InputError, match="no key"):
            list(source.pages(None, pairs.known))


def test_labels_are_read_from_results():
    assert labels(result("first_better", "cannot_judge")) == ["first_better", "cannot_judge"]


def test_a_star_set_on_the_server_becomes_a_known_answer(site, tmp_path):
    pairs = Collection(site, items=3)
    pairs.annotate(label="second_better")
    first = pairs.pull()
    starred = min(pairs.truth())
    # What the page sends when staff press the star.
    site.send("PATCH", f"api/annotations/{starred}/", json={"ground_truth": True})
    [event] = pairs.pull()
    assert kinds([event]) == [(f"{pairs.project}/{starred}", EventKind.STATED, 2)]
    assert [each.raw["ground_truth"] for each in (*first, event)] == [False, False, False, True]

    ensure_site_key(tmp_path, site.id)
    (tmp_path / "settings.toml").write_text(f'[[sites]]\nid = "{site.id}"\n')
    with open_platform(tmp_path) as platform:
        catalogue.add_items(platform.db, list(pairs.items.values()), import_record())
        for events in (tuple(first), (event,)):
            page = EventPage(events=events, cursor=events[-1].ref)
            write_events(
                platform.store,
                platform.db,
                page,
                site=site.id,
                source="label_studio",
                now=NOW,
                keys=platform.keys,
            )
    for words in (["from-label-studio", "--by", "Ada of the staff"], ["list", "--json"]):
        told = CliRunner().invoke(build("gold"), ["gold", *words, "--home", str(tmp_path)])
        assert told.exit_code == 0, told.output
    [listed] = json.loads(told.stdout)["items"]
    said = event.judgement
    order = [each["candidate"] for each in pairs.items[said["item"]]["candidates"]]
    assert (listed["item"], listed["kind"], listed["by"]) == (said["item"], "gold", "Ada of the staff")
    assert listed["answer"] == str(order.index(said["preferred"]) + 1)
