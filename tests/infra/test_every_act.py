"""Every kind of act stands in the log once it is done, and is completed by doing it again wherever it was killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from governance.log.entry import Kind
from infra import log
from infra.database import open_database
from tests.support.acts import ACTS
from tests.support.decisions import NOW
from tests.support.record import settings_of

ROOT = Path(__file__).resolve().parents[2]


def test_no_kind_of_act_is_left_out():
    assert set(ACTS) == set(Kind)


@pytest.mark.parametrize("point", ["row", "entry"])
def test_acts_that_are_killed_are_completed_by_doing_them_again(tmp_path, point):
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.acts", str(tmp_path), point],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines() == [f"{kind.value} {-signal.SIGKILL}" for kind in ACTS], run.stderr
    for kind, act in ACTS.items():
        settings = settings_of(tmp_path / kind.value)
        with open_database(settings, now=NOW) as db:
            assert log.entries(db, kinds=[kind]) == [], kind
            for _ in range(2):
                act(settings, db)
            found = [entry.body for _, entry in log.entries(db, kinds=[kind])]
            assert found, kind
            assert all(found.count(body) == 1 for body in found), kind
