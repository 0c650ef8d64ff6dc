"""Many simulated people at once at the real portal, its own process on PostgreSQL: no error, quick, nothing lost."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest

from infra import collected, enrolment
from infra.database import Database
from infra.person_keys import open_person_keys
from infra.portal_source import PortalSource
from infra.portal_visitor import PortalVisitor
from infra.settings import load_settings
from tests.support import portal
from tests.support.databases import new_database

pytestmark = pytest.mark.servers
PROFILE = {"age": "25-34", "gender": "female", "languages": "de en"}


@pytest.fixture
def served_home(tmp_path, postgres_address):
    """A data folder whose database is PostgreSQL, its portal's address, and the process."""
    url = new_database(postgres_address)
    (tmp_path / "settings.toml").write_text(
        f'database_url = "{url}"\n[[sites]]\nid = "main"\nkey = "secret of the site"\nportal_overlap = 1000\n'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "BOUNDS_HOME": str(tmp_path)}
    environment.pop("BOUNDS_SETTINGS", None)

    def start():
        with (tmp_path / "web.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.web", "--port", str(port)], env=environment, stderr=log
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/join/none", timeout=5)
                return process
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "web.log").read_text()
                time.sleep(0.1)
        raise RuntimeError("the portal did not start")

    running = [start()]
    yield tmp_path, f"http://127.0.0.1:{port}", running, start
    running[-1].send_signal(signal.SIGTERM)
    running[-1].wait(20)


def walk(home, address, people, *, items, pause, enrolled=None):
    """Let so many people judge so many items each at the same time; their visitors. ``enrolled`` is called between."""
    settings = load_settings(home)
    now = datetime.now(UTC)
    visitors = []
    everybody = threading.Barrier(people, action=enrolled)
    with Database(settings.database, now=now) as db:
        portal.items(db, items + 5)
        for number in range(people):
            who = enrolment.enrol(db, "main", f"a-{number:04d}", locale="en", simulated=True, now=now)
            token = enrolment.invite(db, who, life=timedelta(days=1), now=now)
            visitors.append(PortalVisitor(address, f"/join/{token}", PROFILE))

    def one(visitor):
        draw = random.Random(visitor.link)
        with visitor:
            visitor.enrol()
            everybody.wait(300)  # enrolling is over before judging is measured
            time.sleep(draw.uniform(0, pause[1]))  # people do not begin in the same second
            return visitor.judge(
                lambda _id, _page: {"choice": "first_better", "rationale": "load"},
                most=items,
                pause=lambda: draw.uniform(*pause),
            )

    with ThreadPoolExecutor(people) as pool:
        assert list(pool.map(one, visitors)) == [items] * people
    return visitors


def p95(visitors, kind):
    times = sorted(each for visitor in visitors for each in visitor.seconds[kind])
    return times[int(len(times) * 0.95)]


def collect_all(home):
    settings = load_settings(home)
    with Database(settings.database, now=datetime.now(UTC)) as db:
        source = PortalSource(db, open_person_keys(settings, "main"), "main")
        events = [
            e for page in source.pages(None, collected.known(db, "main", "portal")) for e in page.events
        ]
    assert all(event.problem is None and event.judgement["simulated"] for event in events)
    return {event.ref for event in events}


def test_a_few_people_at_once(served_home):
    home, address, *_ = served_home
    visitors = walk(home, address, 12, items=4, pause=(0.1, 0.5))
    assert len(collect_all(home)) == 48
    assert len(visitors) == 12


THINKING = (8, 16)
"""Seconds that a person reads an item and its two answers before submitting, evenly spread: 12 on average."""


def cpu_seconds(process):
    """What a process has computed so far, in all its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


STEADY: Final = """
import time
while True:
    begun = time.process_time()
    sum(number * number % 7 for number in range(200_000))
    print(time.process_time() - begun, flush=True)
    time.sleep(0.5)
"""
"""Computes the same thing again and again: how long it takes each time says how steadily the machine computes."""


@contextmanager
def steadiness():
    """Seconds of computing that one fixed computation took each time, in a process of its own; filled at the end."""
    taken: list[float] = []
    with subprocess.Popen([sys.executable, "-c", STEADY], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield taken
        finally:
            process.kill()
            taken += sorted(float(line) for line in process.stdout.read().splitlines()[:-1])


@pytest.mark.slow
def test_two_hundred_people_at_once_are_served_within_300_ms(served_home):
    home, address, running, _ = served_home
    marks = []

    def mark():
        marks.append((time.monotonic(), cpu_seconds(running[-1])))

    mark()
    load = os.getloadavg()[0]
    with steadiness() as taken:
        visitors = walk(home, address, 200, items=6, pause=THINKING, enrolled=mark)
    mark()
    assert len(collect_all(home)) == 1200
    for kind in ("serve", "submit", "other"):
        times = sorted(1000 * each for visitor in visitors for each in visitor.seconds[kind])
        middle, late = (times[int(len(times) * share)] for share in (0.5, 0.95))
        print(
            f"{kind}: {len(times)} requests, median {middle:.0f}, p95 {late:.0f}, slowest {times[-1]:.0f} ms"
        )
    for name, (at, computed), (later, more) in zip(("enrolling", "judging"), marks, marks[1:], strict=False):
        print(f"{name}: {later - at:.0f} s, of which the portal computed {more - computed:.1f} s")
    print(f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    quick, usual, late = (1000 * taken[int(len(taken) * share)] for share in (0.02, 0.5, 0.95))
    print(f"one fixed computation: quickest {quick:.0f}, median {usual:.0f}, p95 {late:.0f} ms of computing")
    serving, submitting = p95(visitors, "serve"), p95(visitors, "submit")
    if late > 3 * quick and max(serving, submitting) >= 0.3:
        pytest.skip(f"the machine does not compute steadily: the same took {quick:.0f}, then {late:.0f} ms")
    assert serving < 0.3
    assert submitting < 0.3


@pytest.mark.slow
def test_a_portal_killed_under_people_loses_and_doubles_nothing(served_home):
    from governance.errors import OutsideError

    home, address, running, start = served_home
    walk(home, address, 4, items=1, pause=(0, 0))
    acknowledged = len(collect_all(home))
    now = datetime.now(UTC)
    settings = load_settings(home)
    with Database(settings.database, now=now) as db:
        portal.items(db, 30, prefix="more")
        fresh = []
        for number in range(6):
            who = enrolment.enrol(db, "main", f"b-{number}", locale="en", simulated=True, now=now)
            fresh.append(
                PortalVisitor(
                    address, "/join/" + enrolment.invite(db, who, life=timedelta(1), now=now), PROFILE
                )
            )
    for visitor in fresh:
        visitor.enrol()
    counts = [0] * 6

    def one(number):
        # On a busy machine a portal takes long to start, and it is started three times meanwhile.
        deadline = time.monotonic() + 300
        while counts[number] < 20 and time.monotonic() < deadline:
            try:
                counts[number] += fresh[number].judge(lambda *_: {"choice": "second_better"}, most=1)
            except OutsideError:
                time.sleep(0.1)

    with ThreadPoolExecutor(7) as pool:
        jobs = [pool.submit(one, number) for number in range(6)]
        for _ in range(3):
            time.sleep(1)
            running[-1].kill()
            running[-1].wait()
            running.append(start())
        for job in jobs:
            job.result()
    for visitor in fresh:
        visitor.__exit__()
    assert counts == [20] * 6
    # A submission that was stored but not answered is not given a second time: the person meets no item twice.
    stored = len(collect_all(home)) - acknowledged
    assert 120 <= stored <= 120 + 6 * 3
