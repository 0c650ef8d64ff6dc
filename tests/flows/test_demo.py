"""The demonstration as a person calls it, on each kind of object store, and on real votes."""

import json
import os
import subprocess
import sys

import httpx
import pytest

from flows.demonstration_audit import CANDIDATES
from tests.support.shared_data import shared
from tests.support.stack import processes_of
from tests.support.way import ROOT

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


def bounds(*words, temporary=None):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "BOUNDS_RETRY", "BOUNDS_TEST"))
    }
    environment |= {} if temporary is None else {"TMPDIR": str(temporary)}
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )


def story_of(run):
    assert run.returncode == 0, run.stderr[-3000:]
    assert "Traceback" not in run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("store", [pytest.param("directory", marks=pytest.mark.slow), "s3"])
def test_one_version_is_promoted_and_one_refused_for_its_own_fault_alone(tmp_path, store):
    home = tmp_path / "demo"
    keep = ("--keep",) if store == "s3" else ()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    story = story_of(bounds("demo", "--home", home, "--store", store, "--json", *keep, temporary=temporary))
    try:
        assert not list(temporary.rglob("MLmodel"))  # audits leave no copy of a model behind
        assert not list((home / "scratch").glob("[!.]*"))
        card = (home / "release-card.md").read_text()
        assert "# Release of human feedback" in card
        assert "**What were they paid, and by which standard?** Nobody was paid" in card
        groups = story["figures"]["agreement"]["preference"]["by"]["gender"]
        assert groups["female"]["difference_low"] < groups["female"]["difference"]
        assert {kind: verdict == "PASS" for kind, verdict in story["verdicts"].items()} == {
            kind: kind == "bounded" for kind in CANDIDATES
        }
        [reason] = story["reasons"]["unbounded"]
        assert reason.startswith("T1.violent-threats (violation): FAIL")
        assert {kind: each["promoted"] for kind, each in story["promotions"].items()} == {
            kind: kind == "bounded" for kind in CANDIDATES
        }
        refused_by = {
            kind: {reason.partition(" ")[0] for reason in reasons}
            for kind, reasons in story["reasons"].items()
        }
        assert refused_by["over-refuser"] == {"T2.no-over-refusal"}
        assert refused_by["one-manner"] == {"A.age=65+"}
        # Which groups the overfitted one misses depends on the one person it learned from.
        assert refused_by["overfitted"]
        assert all(rule.startswith("A.age=") for rule in refused_by["overfitted"])
        batch = story["batch"]
        assert batch["read"] == batch["accepted"] + batch["quarantined"] == story["judgements"]
        assert batch["failed_rules"] == {"D.duration": 1, "D.personal-data": 1, "R.decodable": 1}
        assert story["wishes"]["denied"] == ["companionship"]
        assert story["wishes"]["clipped"] == ["detail"]
        people, left = story["people"], story["withdrawal"]
        assert (people["people"], people["cells"]) == (12, 12)
        assert [each.partition(" (")[0] for each in people["missing"]] == [
            "25-34 male",
            "45-54 female",
            "55-64 male",
            "65+ male",
        ]
        # What the portal gave by quota is in the batch with the panel's.
        assert people["judgements"] == 26
        assert story["judgements"] == people["judgements"] + 3 * (story["items"] - 8)
        assert (left["before"], left["after"], left["gone"]) == (12, 11, True)
        assert left["receipt"]["releases"] == [story["release"]]
        assert len(left["receipt"]["models"]) == len(CANDIDATES)
        gate = story["gate"]
        assert gate["refused_by_hand"]
        [swept] = gate["swept"]
        assert (swept["version"], swept["demoted"], swept["successor"]) == (
            story["versions"]["bounded"],
            True,
            None,
        )
        assert any("T1.terrorism" in reason for reason in swept["reasons"])
        assert gate["back"]["promoted"]
        assert story["record"]["faults"] == []
        if keep:
            shown_in_the_pages(story)
    finally:
        if keep:
            assert bounds("down", "--home", home).returncode == 0
    assert processes_of(home) == []


def shown_in_the_pages(story):
    """The runs are real runs in Prefect, the alias is a real alias in MLflow."""
    prefect, mlflow = (
        next(url for name, url in story["addresses"].items() if name.startswith(part))
        for part in ("Prefect", "MLflow")
    )
    runs = httpx.post(f"{prefect}/api/flow_runs/filter", json={"limit": 200}, timeout=60).json()
    done = {run["name"].split("-")[0] for run in runs if run["state_type"] == "COMPLETED"}
    assert {"collect", "validate", "audit", "promote"} <= done
    alias = httpx.get(
        f"{mlflow}/api/2.0/mlflow/registered-models/alias",
        params={"name": "bounds-demo", "alias": "champion"},
        timeout=60,
    ).json()["model_version"]
    assert alias["version"] == story["versions"]["bounded"]
    assert {tag["key"]: tag["value"] for tag in alias["tags"]}["gov.verdict"] == "PASS"
    experiment = httpx.get(
        f"{mlflow}/api/2.0/mlflow/experiments/get-by-name",
        params={"experiment_name": "bounds/audits"},
        timeout=60,
    ).json()["experiment"]["experiment_id"]
    audits = httpx.post(
        f"{mlflow}/api/2.0/mlflow/runs/search", json={"experiment_ids": [experiment]}, timeout=60
    ).json()["runs"]
    assert len(audits) >= len(CANDIDATES)
    for audit in audits:
        files = httpx.get(
            f"{mlflow}/api/2.0/mlflow/artifacts/list", params={"run_id": audit["info"]["run_id"]}, timeout=60
        ).json()["files"]
        assert {each["path"] for each in files} == {"report.json", "report.html", "rates.svg", "strata.svg"}


@pytest.mark.data
@pytest.mark.slow
def test_real_votes_of_undocumented_people_promote_nothing(tmp_path):
    path = shared("pandalm/testset-v1.json")
    story = story_of(bounds("demo", "--home", tmp_path / "demo", "--data", path, "--most", 200, "--json"))
    assert story["batch"]["verdict"] == "FAILED"
    assert not any(each["promoted"] for each in story["promotions"].values())
    for reasons in story["reasons"].values():
        assert any(reason.startswith("D.documented-annotators") for reason in reasons)
