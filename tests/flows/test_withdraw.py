"""A withdrawal from beginning to end over the real stores of one machine, stopped anywhere and run again.

MLflow runs in this process on a database of its own, Great Expectations is the real one; the tasks are called as the
functions they are, so no Prefect server is needed, and the site has no Label Studio.
"""

import logging
import os
import signal
import subprocess
import sys

import mlflow
import pytest

from annotation.importers import read_dices
from flows import release as releasing
from flows import validate as validating
from flows import withdraw as withdrawing
from flows.wiring import open_platform
from governance.errors import RefusedError
from infra import collected, ledger, people, withdrawals
from infra.importing import store_import
from infra.mapping_files import shipped_mapping
from infra.residue import sqlite_files
from infra.stack.secrets import ensure_site_key
from tests.annotation.test_importers_people import DICES_350, rating
from tests.infra.test_erasure import profile
from tests.support.everywhere import files_with, tables_with
from tests.support.keys import keys_of
from tests.support.platform import NOW
from tests.support.way import ROOT

PERSON, OTHER = "dices-350-2", "dices-350-1"
CANARY = "canary-of-rater-two"
DURABLE = (
    "infra.withdrawals:add_found",
    "infra.person_keys:PersonKeys.destroy",
    "infra.collected:forget_events",
    "infra.objects_directory:DirectoryStore.put_tree",
    "infra.ledger:record_batch",
    "infra.withdrawals:mark_erased",
    "infra.objects_directory:DirectoryStore.delete",
    "infra.tracking_erasure:erase_artifacts",
    "infra.tracking_erasure:flag_models",
    "infra.residue:compact",
    "infra.withdrawals:finish",
)


class Stopped(BaseException):
    """Stands for a kill of the process at this place."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data folder with three raters on two conversations, one batch, one release, one model version."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "home"
    ensure_site_key(folder, "main")
    (folder / "settings.toml").write_text(
        f'mlflow_url = "sqlite:///{folder}/mlflow.db"\nbackups = [{{ name = "nightly", keep_days = 30 }}]\n'
    )
    for module, names in (
        (validating, ("check", "expect")),
        (
            withdrawing,
            (
                "find",
                "destroy",
                "erase_unfinished",
                "erase_batches",
                "erase_tracking",
                "erase_label_studio",
                "compact_files",
            ),
        ),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name).fn)
    monkeypatch.setattr(withdrawing, "erase_prefect", lambda *_: None)
    monkeypatch.setattr(validating, "create_markdown_artifact", lambda **_: None)
    monkeypatch.setattr(validating, "get_run_logger", lambda: logging.getLogger("test"))
    return folder


def stage(platform):
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, DICES_350, extrasaction="ignore")
    writer.writeheader()
    for rater in (1, 2, 3):
        for item in (1, 2):
            odd = {"Q3_bias_overall": CANARY} if (rater, item) == (2, 2) else {}
            writer.writerow(rating(rater, item, **odd))
    imported = read_dices(text.getvalue().encode(), name="dices.csv", mapping=shipped_mapping("dices"))
    keys = keys_of(platform.settings.home)
    store_import(platform.store, platform.db, imported, site="main", now=NOW, keys=keys)
    batch = validating.validate_site(platform, "main")
    release = ledger.Release(
        digest="sha256:" + "7" * 64, inputs_digest="x", batches=(batch["batch"],), created_at=NOW
    )
    ledger.record_release(platform.db, release)
    platform.registry()
    client = mlflow.MlflowClient(tracking_uri=platform.mlflow_url, registry_uri=platform.mlflow_url)
    client.create_registered_model("m")
    source = client.get_run(batch["run"]).info.artifact_uri
    tags = {"bounds.release_digest": release.digest}
    client.create_model_version("m", source=source, run_id=batch["run"], tags=tags)
    return batch, release.digest


def stopped_at(monkeypatch, number):
    """Let the durable calls count their beginnings and ends, and stop at one of them."""
    import importlib

    calls = 0

    def count():
        nonlocal calls
        calls += 1
        if calls == number:
            raise Stopped

    def counted(real):
        def call(*args, **kwargs):
            count()
            result = real(*args, **kwargs)
            count()
            return result

        return call

    for path in DURABLE:
        module, _, rest = path.partition(":")
        owner = importlib.import_module(module)
        *outer, name = rest.split(".")
        for part in outer:
            owner = getattr(owner, part)
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.slow
def test_a_person_is_gone_from_every_file_wherever_it_was_stopped(home, monkeypatch):
    with open_platform(home) as platform:
        batch, release = stage(platform)
        assert (batch["read"], batch["quarantined"]) == (6, 1)
        request = withdrawals.ask(platform.db, "main", PERSON, via="command", now=NOW)
    assert any(name.startswith("objects/batches") for name in files_with(home, CANARY)) or files_with(
        home.parent, CANARY
    )
    stops, receipt = 0, None
    for number in range(1, 200, 4):
        with monkeypatch.context() as patched, open_platform(home) as platform:
            stopped_at(patched, number)
            try:
                receipt = withdrawing._carry_out(platform, request)
                break
            except Stopped:
                stops += 1
    assert stops > 4
    assert receipt is not None

    assert (receipt["releases"], receipt["models"]) == ([release], ["m/1"])
    [replaced] = receipt["batches"]
    assert replaced["erased"] == batch["batch"]
    done = {(each["where"], each["what"]): each["count"] for each in receipt["done"]}
    assert done["person keys", "key destroyed, with all that was sealed under it"] == 1
    assert done["platform database", "index of raw events"] == 2
    assert done["object store", "batches erased, all versions"] == 1
    assert done["MLflow", "validation runs emptied of artifacts"] == 1
    remains = {each["what"]: each["until"] for each in receipt["remains"]}
    assert remains["backup nightly"] is not None
    assert f"release {release}" in remains

    # Every file: databases, objects, artifacts of MLflow, whatever else lies below.
    assert files_with(home.parent, CANARY) == {}
    assert set(files_with(home.parent, PERSON)) <= {"home/platform.db", "home/platform.db-wal"}
    assert home / "platform.db" in sqlite_files(home)
    assert tables_with(home / "platform.db", PERSON) == {"withdrawal_requests"}

    with open_platform(home) as platform:
        # The others are where they were, and a second withdrawal changes nothing.
        assert [each.digest for each in ledger.batches(platform.db)] == [replaced["successor"]]
        assert {row["annotator"] for row in people.profiles(platform.db, "main")} == {OTHER, "dices-350-3"}
        assert collected.annotator_events(platform.db, "main", OTHER) == 2
        assert withdrawing._carry_out(platform, request) == receipt
        assert withdrawals.flagged_releases(platform.db) == {release: (request.request,)}
        assert platform.registry().version("m", "1").tags["bounds.withdrawn"] == request.request
        again = validating.validate_site(platform, "main")
        assert (again["batch"], again["read"]) == (replaced["successor"], 4)

    # Somebody with as many answers leaves undisturbed: what was done is counted the same.
    with open_platform(home) as platform:
        other = withdrawals.ask(platform.db, "main", OTHER, via="command", now=NOW)
        calm = withdrawing._carry_out(platform, other)
    assert {
        (each["where"], each["what"]): each["count"] for each in calm["done"] if each["where"] != "work files"
    } == {place: count for place, count in done.items() if place[0] != "work files"}


KILLED_RELEASE = """
import os, signal, sys
from datetime import date
from pathlib import Path

import infra.objects_directory
from annotation.release import AlignmentTarget, require_terms
from flows import release as releasing
from flows.wiring import clock, open_platform
from infra import ledger
from infra.scratch import scratch_folder

home, where = Path(sys.argv[1]), sys.argv[2]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if where == "half":
    infra.objects_directory.DirectoryStore._settle = die
else:
    releasing.require_stored = die
with open_platform(home) as platform, scratch_folder(home, "release") as folder:
    target = AlignmentTarget(better="clearer", asked="which?", for_whom="a test")
    terms = require_terms(platform.policy(clock()), target, None, None)
    batches = [batch.digest for batch in ledger.batches(platform.db)]
    built = releasing.build.fn(platform, batches, terms, folder, as_of=date(2026, 3, 1), seed=0)
    releasing.record.fn(platform, built)
"""


@pytest.mark.slow
def test_what_killed_releases_left_goes_with_the_person(home):
    with open_platform(home) as platform:
        stage(platform)
    for where in ("half", "unrecorded"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED_RELEASE, home, where],
            cwd=home.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    left = {path.relative_to(home).parts[:3] for path in home.rglob("judgements.parquet")}
    assert {("objects", ".incoming"), ("objects", "releases")} <= {parts[:2] for parts in left}
    assert any(parts[0] == "scratch" for parts in left)
    with open_platform(home) as platform:
        request = withdrawals.ask(platform.db, "main", PERSON, via="command", now=NOW)
        receipt = withdrawing._carry_out(platform, request)
        assert list(platform.store.list("releases")) == []
    assert list((home / "scratch").iterdir()) == []
    assert list((home / "objects" / ".incoming").iterdir()) == []
    done = {(each["where"], each["what"]): each["count"] for each in receipt["done"]}
    # The second release swept the folder of the first when it began.
    assert done["work files", "folders that killed runs left"] == 1
    assert done["object store", "half-written trees of killed runs"] == 1
    assert done["object store", "releases of killed runs, never recorded"] == 1


def test_a_release_that_a_withdrawal_overtook_is_refused(tmp_path):
    with open_platform(tmp_path) as platform:
        people.add_profiles(platform.db, [profile(PERSON)])
        releasing._refuse_overtaken(platform, ["b-1"])
        request = withdrawals.ask(platform.db, "main", PERSON, via="command", now=NOW)
        with pytest.raises(RefusedError, match=request.request):
            releasing._refuse_overtaken(platform, ["b-1"])
        withdrawals.begin(platform.db, request, now=NOW)
        withdrawals.mark_erased(platform.db, request.request, "b-1", None, now=NOW)
        withdrawals.finish(platform.db, request.request, {**EMPTY, "site": "main"}, now=NOW)
        releasing._refuse_overtaken(platform, ["b-2"])
        with pytest.raises(RefusedError, match="b-1 was replaced"):
            releasing._refuse_overtaken(platform, ["b-1", "b-2"])


EMPTY = {"done": [], "batches": [], "releases": [], "models": []}
