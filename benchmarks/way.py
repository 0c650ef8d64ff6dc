"""Wall time, CPU and peak memory of each step of the way, each in a process of its own, on a real stack.

Run ``python benchmarks/way.py``. The stack is started for it, the demonstration's items and people are
staged, and every command is called as a person calls it; its imports are part of its time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEPS = (
    ("collect (shows 144 tasks)", "collect"),
    ("collect (pulls 144 answers)", "collect"),
    ("validate", "validate"),
    ("release", "release", "--better", "clearer", "--for-whom", "the simulated people of a benchmark"),
    ("train", "train"),
    ("audit", "audit", "--model", "bounds-demo", "--version", "2"),
    ("promote", "promote", "2"),
)


def measured(home: Path, *words: str) -> tuple[float, float, float]:
    """Seconds of wall and CPU, and peak megabytes, of one command."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words, "--home", str(home)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status:
        raise SystemExit(process.stderr.read().decode() if process.stderr else f"{words[0]} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Start, stage, measure, print."""
    sys.path.insert(0, str(ROOT))
    from flows import demonstration
    from flows.wiring import open_platform
    from infra.stack import Stack

    with tempfile.TemporaryDirectory(prefix="bounds-way-") as folder:
        home = Path(folder) / "home"
        parts = ("label_studio", "prefect", "mlflow")
        with Stack(home, parts=parts, ports=dict.fromkeys(parts, 0)) as stack:
            print("ready after, s: " + "  ".join(f"{name} {s:.1f}" for name, s in stack.timings.items()))
            with open_platform(home) as platform:
                demonstration.stage_demo(platform, "main")
            print(f"{'step':<30}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
            for number, (name, *words) in enumerate(STEPS):
                if number == 1:
                    with open_platform(home) as platform:
                        demonstration.answer_demo(platform, "main", seed=7)
                wall, cpu, peak = measured(home, *words)
                print(f"{name:<30}{wall:>8.1f}{cpu:>8.1f}{peak:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
