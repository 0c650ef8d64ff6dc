"""A child cannot outlive its supervisor, and what it started cannot outlive it."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from infra.stack.process import Child, log_tail
from tests.support.stack import eventually

ROOT = Path(__file__).resolve().parents[2]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
# A program that leaves a grandchild in a session of its own, as Prefect's worker does with a flow run.
LEAVES = (
    "import subprocess, sys, time; "
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); "
    "print(p.pid, flush=True); time.sleep(60)"
)


def child(tmp_path, program, **options):
    return Child(
        [sys.executable, "-c", program], env=dict(os.environ), cwd=tmp_path, log=tmp_path / "log", **options
    )


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("program", "code"), [("", 0), ("raise SystemExit(7)", 7), ("import os; os.abort()", 134)]
)
def test_the_exit_code_is_the_programs(tmp_path, program, code):
    running = child(tmp_path, program)
    assert eventually(lambda: running.exit_code() is not None)
    assert running.exit_code() == code
    running.close()


def test_a_program_that_is_not_there_says_so(tmp_path):
    running = Child(["/no/such/program"], env={}, cwd=tmp_path, log=tmp_path / "log")
    eventually(lambda: running.exit_code() is not None)
    assert running.stop() == 127
    assert "/no/such/program: No such file or directory" in log_tail(tmp_path / "log")


def test_one_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    running = child(tmp_path, STUBBORN, grace=0.3)
    eventually(lambda: "up" in log_tail(tmp_path / "log"))
    assert running.stop() == 128 + signal.SIGKILL
    assert is_gone(running.pid)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_it_started_elsewhere_goes_with_it(tmp_path, end):
    running = child(tmp_path, LEAVES, grace=1.0)
    left = int(eventually(lambda: log_tail(tmp_path / "log")))
    if end == "kill":
        os.kill(running.pid, signal.SIGKILL)
        eventually(lambda: running.exit_code() is not None)
        assert running.exit_code() == 128 + signal.SIGKILL
    running.stop()
    assert is_gone(left)


def test_nothing_survives_a_killed_supervisor_and_the_lock_stays_until_then(tmp_path):
    supervisor = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        from infra.stack.process import Child
        from infra.stack.record import FolderLock
        home = Path({str(tmp_path)!r})
        lock = FolderLock(home)
        child = Child([sys.executable, "-c", {LEAVES!r}], env=dict(os.environ), cwd=home, log=home / "log",
                      grace=1.0, keep=lock.descriptor)
        print(child.pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", supervisor], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as running:
        pid = int(running.stdout.readline())
        left = int(eventually(lambda: log_tail(tmp_path / "log")))
        from infra.stack.record import is_running

        assert is_running(tmp_path)
        running.kill()
    eventually(lambda: is_gone(pid) and is_gone(left), seconds=60)
    eventually(lambda: not is_running(tmp_path), seconds=60)


def test_a_program_dies_with_its_guard(tmp_path):
    running = child(tmp_path, "import time; time.sleep(60)")
    running._guard.kill()
    eventually(lambda: is_gone(running.pid), seconds=60)
    running.stop()
