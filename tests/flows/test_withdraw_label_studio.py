"""Erasing a person from Label Studio, stopped before and after every act: the receipt is that of a calm run.

The server is a small one in memory that answers the requests which erasing sends; the real one is asked in
``test_withdraw_servers.py``.
"""

from itertools import count
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from flows.withdraw import erase_label_studio
from infra import people, withdrawals
from infra.database import Database
from infra.label_studio import LabelStudioError, Project
from infra.withdrawal_steps import plan
from tests.infra.test_erasure import profile
from tests.support.platform import NOW

PERSON, OTHER = "sim-1", "sim-2"
ACCOUNTS = {
    1: f"{PERSON}@panel.invalid",
    2: f"{OTHER}@panel.invalid",
    3: f"{PERSON}@replay.invalid",
}
CALM = {
    "annotations": 5,
    "export snapshots": 2,
    "accounts, each with its drafts": 2,
    "export files": 2,
}


class Stopped(BaseException):
    """Stands for a kill of the process at this place."""


class MemoryServer:
    """Two projects, answered by three accounts of two people; two snapshots."""

    id = "main"
    settings = SimpleNamespace(key=SecretStr("key"))

    def __init__(self):
        self.held = {f"api/users/{user}/": {"id": user, "email": mail} for user, mail in ACCOUNTS.items()}
        for number, (project, user) in enumerate([(1, 1), (1, 2), (1, 3), (2, 1), (2, 1), (2, 3), (2, 2)]):
            kept = {"id": number, "project": project, "completed_by": user}
            self.held[f"api/annotations/{number}/"] = kept
        for project in (1, 2):
            self.held[f"api/projects/{project}/exports/{project}"] = {"id": project}

    def below(self, start):
        return [each for path, each in self.held.items() if path.startswith(start)]

    def projects(self):
        return [Project(id=number, title="pairs", config="c") for number in (1, 2)]

    def get(self, path, params=None):
        if path != "api/tasks/":
            return self.below(path)
        here = [each for each in self.below("api/annotations/") if each["project"] == params["project"]]
        task = {"id": 1, "annotations": here}
        return {"tasks": [task], "total": 1}

    def send(self, method, path):
        assert method == "DELETE"
        if self.held.pop(path, None) is None:
            raise LabelStudioError("gone", status=404)


def erased(folder, *, stop_at=0):
    """Run the step again and again, each time stopped one act later; the receipt's counts, what is left, and stops."""
    server = MemoryServer()
    home = folder / "home"
    for name in ("export/1.json", "media/export/2.csv"):
        (home / "label-studio" / name).parent.mkdir(parents=True)
        (home / "label-studio" / name).write_text(PERSON)
    stops, left = 0, {"at": stop_at}

    def counted(act):
        def call(*args, **kwargs):
            for moment in ("before", "after"):
                left["at"] -= 1
                if left["at"] == 0:
                    raise Stopped
                if moment == "before":
                    result = act(*args, **kwargs)
            return result

        return call

    server.send = counted(server.send)
    with Database(f"sqlite:///{folder}/platform.db", now=NOW) as db:
        people.add_profiles(db, [profile(PERSON)])
        request = withdrawals.ask(db, "main", PERSON, via="command", now=NOW)
        withdrawals.begin(db, request, now=NOW)
        platform = SimpleNamespace(
            db=db, settings=SimpleNamespace(home=home), label_studio=lambda _site: server
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.withdraw.plan", counted(plan))
            for again in count(1):
                try:
                    assert erase_label_studio.fn(platform, request)
                    break
                except Stopped:
                    stops += 1
                    left["at"] = stop_at + again
        done = withdrawals.begin(db, request, now=NOW).done
    assert {each.where for each in done} == {"Label Studio"}
    return {each.what: each.count for each in done}, server, stops


def test_the_receipt_is_that_of_a_calm_run_wherever_the_runs_were_stopped(tmp_path):
    counts, server, stops = erased(tmp_path / "calm")
    assert (counts, stops) == (CALM, 0)
    counts, stopped, stops = erased(tmp_path / "stopped", stop_at=1)
    assert counts == CALM
    assert stops > 4
    assert stopped.held == server.held
    assert list(server.held) == ["api/users/2/", "api/annotations/1/", "api/annotations/6/"]
    assert not [path for path in (tmp_path / "stopped/home").rglob("*") if path.is_file()]


@pytest.mark.parametrize("first", range(1, 25, 3))
def test_one_stop_anywhere_is_made_good_by_the_next_run(tmp_path, first):
    counts, _, stops = erased(tmp_path, stop_at=first)
    assert counts == CALM
    assert stops >= (first < 18)
