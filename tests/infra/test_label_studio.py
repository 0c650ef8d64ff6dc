"""Projects and imports on a real server."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from annotation.label_config import config_digest
from governance.errors import InputError, OutsideError, RefusedError
from infra.label_studio import LabelStudioError, LabelStudioSite
from infra.label_studio_tasks import import_presentations, tasks_by_presentation, tasks_of
from infra.settings import SiteSettings
from tests.support.label_studio import CONFIG, Collection, result, settings_of

pytestmark = pytest.mark.servers


def test_a_site_without_label_studio_says_so():
    with pytest.raises(InputError, match="has no Label Studio"):
        LabelStudioSite(SiteSettings(id="main"))


def test_a_project_is_made_once_with_the_settings_that_collection_needs(site):
    project = site.ensure_project("pairs", CONFIG)
    assert site.ensure_project("pairs", CONFIG) == project
    assert [(p.id, p.title, p.config) for p in site.projects()] == [(project, "pairs", config_digest(CONFIG))]
    entry = site.get(f"api/projects/{project}/")
    assert entry["label_config"] == CONFIG
    assert entry["maximum_annotations"] == 1
    assert entry["enable_empty_annotation"] is False
    assert entry["show_annotation_history"] is False
    assert entry["show_skip_button"] is False


def test_drifted_settings_are_put_right(site):
    project = site.ensure_project("pairs", CONFIG)
    site.send("PATCH", f"api/projects/{project}/", json={"enable_empty_annotation": True})
    assert site.ensure_project("pairs", CONFIG) == project
    assert site.get(f"api/projects/{project}/")["enable_empty_annotation"] is False


def test_another_page_is_another_project(site):
    first = site.ensure_project("pairs", CONFIG)
    second = site.ensure_project("pairs", CONFIG.replace("Which answer is better?", "Which is safer?"))
    assert first != second
    assert [project.id for project in site.projects()] == [first, second]
    assert site.ensure_project("pairs", CONFIG) == first


def test_a_page_edited_on_the_server_is_refused(site):
    project = site.ensure_project("pairs", CONFIG)
    changed = CONFIG.replace("First much better", "Second much better?")
    site.send("PATCH", f"api/projects/{project}/", json={"label_config": changed})
    with pytest.raises(RefusedError, match="changed on the server"):
        site.ensure_project("pairs", CONFIG)


def test_sites_on_one_server_do_not_see_each_other(site, annotation_server):
    with LabelStudioSite(settings_of(annotation_server, site.id + "-other")) as other:
        assert site.ensure_project("pairs", CONFIG) != other.ensure_project("pairs", CONFIG)
        assert len(site.projects()) == len(other.projects()) == 1


def test_a_project_whose_answer_was_lost_is_not_made_twice(site, monkeypatch):
    make = site.client.projects.create
    calls = []

    def make_and_lose(**fields):
        calls.append(make(**fields))
        raise httpx.ReadError("connection reset")

    monkeypatch.setattr(site.client.projects, "create", make_and_lose)
    project = site.ensure_project("pairs", CONFIG)
    assert [made.id for made in calls] == [project]


def test_a_wrong_token_is_not_asked_again(annotation_server):
    right = settings_of(annotation_server, "wrong-token")
    before = time.monotonic()
    with (
        LabelStudioSite(right.model_copy(update={"label_studio_token": SecretStr("0" * 40)})) as site,
        pytest.raises(LabelStudioError, match="status 401") as caught,
    ):
        site.projects()
    assert time.monotonic() - before < 5
    assert caught.value.exit_code == 3


def test_a_server_that_is_not_there_is_given_up_after_the_patience():
    site = LabelStudioSite(
        SiteSettings(
            id="gone", label_studio_url="http://127.0.0.1:9", label_studio_token=SecretStr("0" * 40)
        ),
        patience=1.0,
    )
    before = time.monotonic()
    with pytest.raises(OutsideError, match=r"127\.0\.0\.1:9.*no answer"):
        site.ensure_project("pairs", CONFIG)
    assert time.monotonic() - before < 10


def test_import_is_exact_blind_and_repeatable(site):
    pairs = Collection(site, items=30, overlap=3)
    assert len(pairs.tasks) == 90
    assert import_presentations(site, pairs.project, pairs.rows, pairs.items) == pairs.tasks
    stored = tasks_by_presentation(site, pairs.project)
    assert {name: [task["id"] for task in tasks] for name, tasks in stored.items()} == {
        name: [task] for name, task in pairs.tasks.items()
    }
    for tasks in stored.values():
        assert set(tasks[0]["data"]) == {"presentation", "prompt", "first", "second"}
        assert "hidden-model" not in str(tasks[0])


def test_more_presentations_join_those_that_are_there(site):
    pairs = Collection(site, items=10, imported=False)
    first = import_presentations(site, pairs.project, pairs.rows[:4], pairs.items)
    both = import_presentations(site, pairs.project, pairs.rows, pairs.items)
    assert len(both) == 10
    assert first.items() <= both.items()


def test_an_import_whose_answer_was_lost_is_not_sent_twice(site, monkeypatch):
    pairs = Collection(site, items=12, imported=False)
    send = site.send
    sent = []

    def send_and_lose(method, path, **more):
        sent.append(path)
        send(method, path, **more)
        raise LabelStudioError("connection reset", status=None)

    monkeypatch.setattr(site, "send", send_and_lose)
    tasks = import_presentations(site, pairs.project, pairs.rows, pairs.items)
    assert len(sent) == 1
    assert site.get(f"api/projects/{pairs.project}/")["task_number"] == len(tasks) == 12


def test_an_import_that_the_server_swallows_is_an_error(site, monkeypatch):
    pairs = Collection(site, items=3, imported=False)
    monkeypatch.setattr(site, "send", lambda *_, **__: None)
    with pytest.raises(OutsideError, match="3 of 3 tasks are not stored"):
        import_presentations(site, pairs.project, pairs.rows, pairs.items)


def test_a_doubled_import_is_cleaned_and_an_answered_double_stays(site):
    pairs = Collection(site, items=4)
    again = [{"data": task["data"]} for page in tasks_of(site, pairs.project, full=False) for task in page]
    site.send("POST", f"api/projects/{pairs.project}/import", json=again)
    doubled = tasks_by_presentation(site, pairs.project)
    assert all(len(tasks) == 2 for tasks in doubled.values())
    answered = pairs.rows[0]["presentation"]
    later = doubled[answered][1]["id"]
    site.client.annotations.create(id=later, result=result("first_better"), completed_by=1)
    tasks = import_presentations(site, pairs.project, pairs.rows, pairs.items)
    left = tasks_by_presentation(site, pairs.project)
    assert all(len(entries) == 1 for entries in left.values())
    assert tasks[answered] == later
    assert {name: tasks[name] for name in tasks if name != answered} == {
        name: pairs.tasks[name] for name in tasks if name != answered
    }


KILLED = """
import sys
from pathlib import Path
from tests.support.label_studio import Collection
import infra.label_studio_tasks as tasks
from infra.label_studio import LabelStudioSite
from infra.settings import SiteSettings
tasks._CHUNK = 25
site = LabelStudioSite(SiteSettings.model_validate_json(sys.stdin.readline()))
print("ready", flush=True)
Collection(site, items=600)
"""


def test_a_killed_import_is_completed_by_the_next(site):
    settings = {
        "id": site.id,
        "label_studio_url": site.url,
        "label_studio_token": site.settings.label_studio_token.get_secret_value(),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    child.stdin.write(json.dumps(settings) + "\n")
    child.stdin.flush()
    assert child.stdout.readline().strip() == "ready"
    stored = 0
    while not 100 <= stored < 600:
        assert child.poll() is None, "finished before it could be killed"
        projects = site.projects()
        stored = site.get(f"api/projects/{projects[0].id}/")["task_number"] if projects else 0
    child.send_signal(signal.SIGKILL)
    child.communicate()
    pairs = Collection(site, items=600)
    assert len(pairs.tasks) == 600
    assert site.get(f"api/projects/{pairs.project}/")["task_number"] == 600


class CappedServer:
    """Answers like the server with TASK_API_PAGE_SIZE_MAX set: never more than two tasks a page."""

    id = "capped"

    def __init__(self, ids):
        self.ids = ids

    def get(self, path, params):
        after = json.loads(params["query"])["filters"]["items"][0]["value"]
        left = [number for number in self.ids if number > after]
        return {"total": len(left), "tasks": [{"id": number} for number in left[:2]]}


def test_a_capped_page_does_not_end_the_list():
    read = [t["id"] for page in tasks_of(CappedServer([1, 2, 3, 5, 8]), 1, full=True) for t in page]
    assert read == [1, 2, 3, 5, 8]


def test_a_server_that_does_not_keep_to_the_order_is_an_error():
    server = CappedServer([3, 2])
    with pytest.raises(OutsideError, match="order of id"):
        list(tasks_of(server, 1, full=True))
