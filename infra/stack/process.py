"""One child process under its guard: start it, ask how it is, stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Child", "log_tail"]

_GUARD = Path(__file__).with_name("guard.py")
_LOG_LIMIT = 10_000_000


class Child:
    """A running program, its log and the pipe that ties its life to this process.

    Args:
        argv: The program and its arguments; no secret belongs here, everybody can read them.
        env: Its whole environment.
        cwd: Its working directory.
        log: File that its output is appended to.
        grace: Seconds between SIGTERM and SIGKILL.
        keep: Descriptor that stays open until its last descendant is gone; -1 for none.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        grace: float = 10.0,
        keep: int = -1,
    ) -> None:
        self._grace = grace
        watch, self._tie = os.pipe()
        report, said = os.pipe()
        passed = [watch, said, *([keep] if keep >= 0 else [])]
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(watch), str(said), str(grace), str(keep), "--"]
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [*guard, *argv],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=passed,
                start_new_session=True,
            )
        os.close(watch)
        os.close(said)
        with open(report, "rb") as told:  # noqa: PTH123 - a descriptor, not a path
            line = told.readline()
        self.pid = int(line) if line.strip() else self._guard.pid

    def exit_code(self) -> int | None:
        """None while it runs; then its exit code, or 128 + the number of the signal that ended it."""
        return self._guard.poll()

    def ask_to_stop(self) -> None:
        """Ask the guard to stop the program; the guard insists after the grace period."""
        with contextlib.suppress(ProcessLookupError):
            self._guard.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop it and everything it started; gives the exit code."""
        self.ask_to_stop()
        try:
            code = self._guard.wait(timeout=self._grace + 5.0)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            code = self._guard.wait()
        self.close()
        return code

    def close(self) -> None:
        """Let go of the pipe."""
        if self._tie >= 0:
            os.close(self._tie)
            self._tie = -1


def log_tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 8192))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
