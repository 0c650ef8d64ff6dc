"""A measurement in a process of its own, so that CPU seconds (all threads) and peak memory belong to it alone.

What is measured comes ready made: a function that imports and loads what it needs and returns the work. Only
the work is timed. Whatever passes the limits is stopped, and the result says so.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["measure"]

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
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_measured, args=(prepare, folder, sender))
    process.start()
    sender.close()
    start = time.monotonic()
    try:
        while not receiver.poll(_LOOK_SECONDS):
            if time.monotonic() - start > seconds:
                return {"stopped": f"after {seconds:,.0f} s"}
            if _memory_mb(process.pid or 0, "VmRSS") > megabytes:
                return {"stopped": f"at {megabytes:,.0f} MB"}
        found: dict[str, Any] = receiver.recv()
        process.join()
    except EOFError:
        return {"stopped": "by an error of its own"}
    else:
        return found
    finally:
        if process.is_alive():
            process.terminate()
        process.join()
