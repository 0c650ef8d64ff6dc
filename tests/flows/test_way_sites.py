"""Two sites with workers of their own: schedules run, one worker's death is the other's no matter."""

import os
import sqlite3
import subprocess
import sys

import httpx
import pytest

from flows import demonstration
from flows.wiring import open_platform
from tests.support.stack import eventually
from tests.support.way import ROOT

# Slow, to run with nothing beside: with a second stack on the same two cores Prefect at times finds its own SQLite locked
# for minutes, gives up runs that are due, and says so in its log.
pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(1200)]

ITEMS = 4
GIVEN = 3 * ITEMS


def rows(home, query, *values):
    with sqlite3.connect(home / "platform.db", timeout=30) as database:
        return database.execute(query, values).fetchall()


def events(home, site):
    [(count,)] = rows(home, "SELECT count(*) FROM raw_events WHERE site = ?", site)
    return count


def shown(home, site):
    query = "SELECT count(*) FROM presentations WHERE site = ? AND source_ref IS NOT NULL"
    [(count,)] = rows(home, query, site)
    return count


def arrived(home, site, *, seconds):
    """Wait until every judgement of a site arrived; where they do not, what its worker and Prefect said last."""
    try:
        eventually(lambda: events(home, site) == GIVEN, seconds=seconds)
    except AssertionError:
        logs = {name: home / "logs" / f"{name}.log" for name in (f"worker-site-{site}", "prefect")}
        said = [f"== {name}\n{path.read_text()[-4000:]}" for name, path in logs.items()]
        raise AssertionError("\n".join([f"{site}: {events(home, site)} of {GIVEN}", *said])) from None


def completed(api, site):
    """Scheduled runs of a site's collection that ended well."""
    found = httpx.post(
        f"{api}/flow_runs/filter",
        timeout=60,
        json={
            "deployments": {"name": {"any_": [f"often-{site}"]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        },
    ).json()
    assert all(run["auto_scheduled"] for run in found)
    return [(run["id"], run["work_pool_name"]) for run in found]


@pytest.fixture
def often(way_stack):
    """Collection every few seconds at both sites, until the test ends."""
    api = way_stack.settings.prefect_api_url
    applied = subprocess.run(
        [
            sys.executable,
            "-m",
            "flows.deployments",
            "apply",
            "--file",
            "tests/support/every_few_seconds.yaml",
        ],
        cwd=ROOT,
        env={**os.environ, "BOUNDS_HOME": str(way_stack.home), "PREFECT_API_URL": api},
        check=False,
        capture_output=True,
        text=True,
    )
    assert applied.returncode == 0, applied.stdout + applied.stderr[-6000:]
    yield api
    for deployment in httpx.post(f"{api}/deployments/filter", json={}, timeout=60).json():
        httpx.delete(f"{api}/deployments/{deployment['id']}", timeout=60)


def stage(home, site):
    # One transaction puts the whole queue there: a schedule may fire at any moment and must see all or nothing.
    with open_platform(home) as platform:
        assert demonstration.stage_demo(platform, site, most=ITEMS) == ITEMS


def test_a_site_goes_on_while_the_other_has_no_worker_and_the_backlog_arrives_exactly_once(way_stack, often):
    home = way_stack.home
    for site in ("east", "west"):
        stage(home, site)
    # The schedule alone puts the queues before the annotators, each site by the worker of its own pool.
    for site in ("east", "west"):
        eventually(lambda site=site: shown(home, site) == GIVEN, seconds=180)
    # A presentation is recorded before its task is sent: the run that records the last one must come to its end.
    done = {site: len(completed(often, site)) for site in ("east", "west")}
    eventually(lambda: all(len(completed(often, site)) > done[site] for site in done), seconds=120)
    assert {pool for _, pool in completed(often, "east")} == {"site-east"}
    assert {pool for _, pool in completed(often, "west")} == {"site-west"}

    way_stack.hold("worker-site-west")
    with open_platform(home) as platform:
        for site in ("east", "west"):
            assert demonstration.answer_demo(platform, site, seed=5) == GIVEN
    # Prefect may find its SQLite locked for a minute or two; what is due then comes after.
    arrived(home, "east", seconds=240)
    assert events(home, "west") == 0

    way_stack.release("worker-site-west")
    arrived(home, "west", seconds=240)
    before = {site: len(completed(often, site)) for site in ("east", "west")}
    eventually(lambda: all(len(completed(often, site)) > before[site] for site in before), seconds=120)
    for site in ("east", "west"):
        assert events(home, site) == GIVEN
        [(refs,)] = rows(home, "SELECT count(DISTINCT ref) FROM raw_events WHERE site = ?", site)
        assert refs == GIVEN
