"""Chooses loopback ports: the usual one of each server, another free one where that is taken; one that was asked for, or none.

Between the choice and the moment at which a server listens lie ten seconds of its start, time enough for
another stack to choose the same. So a chosen port is leased: a lock file per port, in a folder of this user,
held until the stack is stopped; only stacks look at it, other programs are seen by their listening.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from governance.errors import InputError, OutsideError

__all__ = ["HOST", "USUAL", "Ports", "is_free"]

HOST = "127.0.0.1"
USUAL: Mapping[str, int] = {"label_studio": 8080, "mlflow": 5000, "prefect": 4200, "web": 8800, "s3": 9000}
_TRIES = 50


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of the loopback address now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
        return True


class Ports:
    """A distinct free port for each server, leased until ``close``.

    Args:
        names: The servers, keys of ``USUAL``.
        wanted: Ports that were asked for; 0 asks for any free port.
        last: Ports of the last time, tried before the usual ones.

    Raises:
        InputError: A port that was asked for is taken.
        OutsideError: No free port can be had.
    """

    def __init__(
        self,
        names: Iterable[str],
        wanted: Mapping[str, int] | None = None,
        *,
        last: Mapping[str, int] | None = None,
    ) -> None:
        self._leases: list[int] = []
        self._folder = Path(tempfile.gettempdir()) / f"bounds-ports-{os.getuid()}"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.chosen: dict[str, int] = {}
        try:
            for name in names:
                asked = (wanted or {}).get(name)
                self.chosen[name] = (
                    self._first([(last or {}).get(name, USUAL[name]), USUAL[name]])
                    if asked is None
                    else self._exactly(name, asked)
                )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the ports back."""
        while self._leases:
            os.close(self._leases.pop())

    def _first(self, ports: Iterable[int]) -> int:
        return next((port for port in ports if self._lease(port)), None) or self._any()

    def _exactly(self, name: str, port: int) -> int:
        if port == 0:
            return self._any()
        if not self._lease(port):
            raise InputError(
                "the port is taken by another program",
                field="--port",
                value=f"{name}={port}",
                expected=f"a free one, or {name}=0 for any",
            )
        return port

    def _any(self) -> int:
        for _ in range(_TRIES):
            with contextlib.closing(socket.socket()) as trial:
                trial.bind((HOST, 0))
                port = int(trial.getsockname()[1])
            if self._lease(port):
                return port
        raise OutsideError(f"no free port on {HOST} after {_TRIES} tries")

    def _lease(self, port: int) -> bool:
        descriptor = os.open(self._folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        if not is_free(port):
            os.close(descriptor)
            return False
        self._leases.append(descriptor)
        return True
