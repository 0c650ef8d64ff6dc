"""Runs one program so that it cannot outlive the supervisor: ``guard.py WATCH REPORT GRACE KEEP -- PROGRAM…``.

A supervisor that is killed with SIGKILL cannot stop its children, so each child runs under a guard, which

- holds the reading end of a pipe (``WATCH``) whose writing end only the supervisor has: end of file means
  that the supervisor is gone, however it went;
- puts the program into its own process group, and on Linux adopts what the program leaves behind
  (``PR_SET_CHILD_SUBREAPER``) and has it killed if the guard itself dies (``PR_SET_PDEATHSIG``);
- stops it on SIGTERM or end of file: SIGTERM to its group, SIGKILL to every descendant after ``GRACE`` seconds;
- keeps the descriptor ``KEEP`` (the lock of the data folder) open until the last descendant is gone, so that
  nobody starts a second stack over the remains of the first.

It says the program's process id on ``REPORT`` and ends with the program's exit code (128 + signal number).
Standard library only, started with ``python -I -S``: it must be small, early and independent of the rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

__all__ = ["main"]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _descendants() -> list[int]:
    """Process ids below this one, from ``/proc`` (Linux; empty elsewhere)."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if LINUX else ():  # noqa: PTH208 - pathlib is slow to import here
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                # The second field is the name in brackets and may hold blanks: read after the last bracket.
                parents[int(name)] = int(stat.read().rpartition(b")")[2].split()[1])
    found: list[int] = []
    frontier = {os.getpid()}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier}
        found.extend(frontier)
    return found


def _signal_all(group: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, number)
    for pid in _descendants():
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _reap(program: int, status: int | None) -> tuple[int | None, bool]:
    """Collects every dead child; gives the program's wait status, and whether any child is left."""
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status, False
        if pid == 0:
            return status, True
        if pid == program:
            status = ended


def _start(program: list[str], closed: tuple[int, ...]) -> int:
    guard = os.getpid()
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    try:
        os.setpgid(0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if LINUX and os.getppid() != guard:
            os._exit(127)  # it died before it was watched: nobody would kill this one
        for descriptor in closed:
            os.close(descriptor)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(program[0], program)  # noqa: S606 - this is its work
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        sys.stderr.flush()
    os._exit(127)


def main(argv: list[str]) -> int:
    """Run the program of the command line to its end."""
    watch, report, keep = int(argv[0]), int(argv[1]), int(argv[3])
    grace = float(argv[2])
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    stop_asked = False

    def on_stop(_number: int, _frame: object) -> None:
        nonlocal stop_asked
        stop_asked = True

    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = _start(argv[5:], tuple(fd for fd in (watch, report, keep, woken, wake) if fd >= 0))
    os.write(report, f"{program}\n".encode())
    os.close(report)

    status: int | None = None
    deadline: float | None = None
    over = False
    watched = [watch, woken]
    while True:
        status, left = _reap(program, status)
        if not left:
            break
        if status is not None and not over:
            # The program ended: what it left behind gets a second, no more.
            over, deadline = True, time.monotonic() + 1.0
            _signal_all(program, signal.SIGTERM)
        elif stop_asked and deadline is None:
            deadline = time.monotonic() + grace
            with contextlib.suppress(OSError):
                os.killpg(program, signal.SIGTERM)
        if deadline is not None and time.monotonic() >= deadline:
            _signal_all(program, signal.SIGKILL)
        readable, _, _ = select.select(watched, [], [], None if deadline is None else 0.1)
        if watch in readable:  # nothing is ever written to it: readable means end of file
            watched.remove(watch)
            stop_asked = True
        if woken in readable:
            os.read(woken, 512)
    if status is None:
        return 1
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
