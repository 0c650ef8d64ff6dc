"""Chooses loopback ports: the usual one of each server, another free one where that is taken."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping

__all__ = ["HOST", "USUAL", "choose_ports", "is_free"]

HOST = "127.0.0.1"
USUAL: Mapping[str, int] = {"label_studio": 8080, "mlflow": 5000, "prefect": 4200, "web": 8800, "s3": 9000}


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of the loopback address now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
        return True


def choose_ports(names: Iterable[str], wanted: Mapping[str, int] | None = None) -> dict[str, int]:
    """A distinct free port for each server.

    Args:
        names: The servers, keys of ``USUAL``.
        wanted: Ports to try instead of the usual ones; 0 asks for any free port.
    """
    chosen: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        for name in names:
            port = (wanted or {}).get(name, USUAL[name])
            if port == 0 or port in chosen.values() or not is_free(port):
                # Held until all are chosen, so that no two servers are given the same port.
                trial = held.enter_context(contextlib.closing(socket.socket()))
                trial.bind((HOST, 0))
                port = trial.getsockname()[1]
            chosen[name] = port
    return chosen
