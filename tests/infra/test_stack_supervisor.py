"""Order, readiness, restarts and stopping, with programs of one line."""

import os
import socket
import sys
import time
from datetime import UTC, datetime

import pytest

from governance.errors import OutsideError
from infra.stack.part import Part, State
from infra.stack.supervisor import MAX_RESTARTS, Supervisor
from tests.support.stack import eventually

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def part(tmp_path):
    """Makes a part: ready once its file is there."""

    def make(name, program=SLEEP, *, ready="own", **options):
        flag = tmp_path / f"{name}.ready"
        if ready == "own":
            program = f"open({str(flag)!r}, 'w').close(); {program}"
        return Part(
            name=name,
            argv=[sys.executable, "-c", program],
            env=dict(os.environ),
            cwd=tmp_path,
            log=tmp_path / f"{name}.log",
            ready=(lambda _: flag.exists()) if ready == "own" else ready,
            grace=1.0,
            **options,
        )

    return make


@pytest.fixture
def supervise():
    running = []

    def start(*parts, **options):
        supervisor = Supervisor(parts, backoff=0.01, **options)
        running.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in running:
        supervisor.stop()


def states(supervisor):
    return {part.name: part.state for part in supervisor.snapshot()}


def test_a_part_starts_when_what_it_needs_is_ready(part, supervise, tmp_path):
    gate = tmp_path / "gate"
    supervisor = supervise(
        part("first", ready=lambda _: gate.exists()),
        part("once", "", ready=None, after=("first",)),
        part("last", after=("once",)),
    )
    eventually(lambda: states(supervisor)["first"] is State.STARTING)
    time.sleep(0.3)
    assert states(supervisor)["last"] is State.WAITING
    assert not supervisor.is_settled()
    gate.touch()
    eventually(supervisor.is_settled)
    assert states(supervisor) == {"first": State.READY, "once": State.DONE, "last": State.READY}
    supervisor.require_settled_well()
    assert all(status.seconds > 0 for status in supervisor.snapshot())


def test_a_crashed_part_is_started_again(part, supervise):
    supervisor = supervise(part("server"))
    eventually(supervisor.is_settled)
    before = supervisor.pid("server")
    os.kill(before, 9)
    eventually(lambda: supervisor.snapshot()[0].restarts == 1 and states(supervisor)["server"] is State.READY)
    assert supervisor.pid("server") != before


def test_restarts_end_and_the_reason_holds_the_log(part, supervise):
    supervisor = supervise(part("broken", "raise SystemExit('the disk is full')", ready=lambda _: False))
    eventually(supervisor.is_settled)
    (status,) = supervisor.snapshot()
    assert (status.state, status.restarts) == (State.FAILED, MAX_RESTARTS)
    with pytest.raises(OutsideError, match=r"(?s)broken: ended with code 1 .*the disk is full"):
        supervisor.require_settled_well()


def test_what_waits_for_a_failed_part_fails_too(part, supervise):
    supervisor = supervise(part("once", "raise SystemExit(2)", ready=None), part("next", after=("once",)))
    eventually(lambda: states(supervisor)["next"] is State.FAILED)
    # Exit code 2 is bad input, which a second try does not make better.
    assert supervisor.snapshot()[0].restarts == 0


def test_one_that_is_never_ready_is_given_up(part, supervise):
    supervisor = supervise(part("mute", ready=lambda _: False, deadline=0.2))
    eventually(supervisor.is_settled)
    assert "not ready after" in supervisor.snapshot()[0].reason


def test_readiness_is_asked_about_this_start(part, supervise):
    asked = []
    before = datetime.now(UTC)
    supervisor = supervise(part("server", ready=lambda started: asked.append(started) or True))
    eventually(supervisor.is_settled)
    assert before < asked[0] <= datetime.now(UTC)


def test_an_error_of_the_question_ends_the_part_with_its_sentence(part, supervise):
    def question(_):
        raise OutsideError("the token was made for another database")

    supervisor = supervise(part("server", ready=question))
    eventually(supervisor.is_settled)
    with pytest.raises(OutsideError, match="another database"):
        supervisor.require_settled_well()


def test_a_taken_port_is_a_reason(part, supervise):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        supervisor = supervise(part("server", port=port))
        eventually(supervisor.is_settled)
        assert supervisor.snapshot()[0].reason == f"port {port} is taken by another program"


def test_a_held_part_stays_stopped_until_released(part, supervise):
    supervisor = supervise(part("server"))
    eventually(supervisor.is_settled)
    supervisor.hold("server")
    time.sleep(0.3)
    assert states(supervisor)["server"] is State.STOPPED
    with pytest.raises(KeyError):
        supervisor.pid("server")
    supervisor.release("server")
    eventually(lambda: states(supervisor)["server"] is State.READY)


def test_parts_stop_rank_by_rank(part, supervise, tmp_path):
    told = tmp_path / "told"
    tells = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(0.2); open({str(told)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "time.sleep(60)"
    )

    def one(name, rank):
        return part(name, tells.replace("sys.argv[1]", repr(name)), ready=lambda _: True, rank=rank)

    supervisor = supervise(one("store", 3), one("server", 1), one("worker", 0))
    eventually(supervisor.is_settled)
    time.sleep(0.3)  # until each has its handler
    supervisor.stop()
    assert told.read_text().split() == ["worker", "server", "store"]
    assert set(states(supervisor).values()) == {State.STOPPED}
