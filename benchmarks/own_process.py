"""A measurement in a process of its own, so that CPU seconds (all threads) and peak memory belong to it alone.

What is measured comes ready made: a function that imports and loads what it needs and returns the work. Only
the work is timed. Whatever passes the limits is stopped, and the result says so.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["measure", "run_limited"]

_LOOK_SECONDS = 0.5


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _memory_mb(pid: int | str, field: str) -> float:
    """Resident memory of a process; ru_maxrss would begin with its parent's peak."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0.0)


def _spent(pid: int) -> float:
    """CPU seconds of another process, all threads."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _excess(pid: int, start: float, seconds: float, megabytes: float) -> str | None:
    """Why a process is stopped, with what it had spent until then; None while it may go on."""
    passed, held = time.monotonic() - start, _memory_mb(pid, "VmRSS")
    if passed > seconds:
        over = f"after {passed:,.0f} s"
    elif held > megabytes:
        over = f"at {held:,.0f} MB"
    else:
        return None
    return (
        f"stopped {over} ({_spent(pid):,.0f} CPU-s, {passed:,.0f} s, peak {_memory_mb(pid, 'VmHWM'):,.0f} MB)"
    )


def _leave_nothing_behind() -> None:
    """Whoever ends this process ends what it measures: SIGTERM becomes an exit, which stops the measurement."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def run_limited(
    command: Sequence[str], *, cwd: Path, seconds: float = float("inf"), megabytes: float = float("inf")
) -> dict[str, Any]:
    """The JSON that a command prints, or ``{"stopped": why}`` once it passes a limit or fails.

    Args:
        command: Program and arguments; it prints one JSON object.
        cwd: Where it runs.
        seconds: Time after which it is stopped, its start included.
        megabytes: Resident memory above which it is stopped.
    """
    _leave_nothing_behind()
    start = time.monotonic()
    # Into files, not pipes: nobody reads while it runs, and a full pipe would hold it up.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd) as process:
            try:
                while process.poll() is None:
                    if why := _excess(process.pid, start, seconds, megabytes):
                        return {"stopped": why}
                    time.sleep(0.1)
            finally:
                process.kill()
        out.seek(0)
        err.seek(0)
        if process.returncode:
            said = err.read().decode(errors="replace").strip().splitlines()
            return {"stopped": f"failed: {said[-1] if said else process.returncode}"}
        found: dict[str, Any] = json.loads(out.read())
        return found


def _measured(prepare: Callable[[Path], Callable[[], Any]], folder: Path, pipe: Any) -> None:
    work = prepare(folder)
    ready = _memory_mb("self", "VmHWM")
    wall, cpu = time.perf_counter(), _cpu()
    result = work()
    pipe.send(
        {
            "cpu_s": _cpu() - cpu,
            "wall_s": time.perf_counter() - wall,
            "peak_mb": _memory_mb("self", "VmHWM"),
            "ready_mb": ready,
            "result": result,
        }
    )


def measure(
    prepare: Callable[[Path], Callable[[], Any]],
    folder: Path,
    *,
    seconds: float = float("inf"),
    megabytes: float = float("inf"),
) -> dict[str, Any]:
    """``cpu_s``, ``wall_s``, ``peak_mb``, ``ready_mb`` (peak before the work) and ``result`` of one measurement.

    Args:
        prepare: A function of a module, given ``folder``, that returns the work.
        folder: Where its data lie.
        seconds: Time after which it is stopped.
        megabytes: Resident memory above which it is stopped.

    Returns:
        The figures, or ``{"stopped": why}``.
    """
    _leave_nothing_behind()
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_measured, args=(prepare, folder, sender))
    process.start()
    sender.close()
    start = time.monotonic()
    try:
        while not receiver.poll(_LOOK_SECONDS):
            if why := _excess(process.pid or 0, start, seconds, megabytes):
                return {"stopped": why}
        found: dict[str, Any] = receiver.recv()
        process.join()
    except EOFError:
        return {"stopped": "failed by an error of its own"}
    else:
        return found
    finally:
        if process.is_alive():
            process.terminate()
        process.join()
