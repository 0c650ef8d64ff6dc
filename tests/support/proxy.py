"""A TCP proxy on loopback that fails on request: before a reply, in the middle of it, or with a 503."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Forwards one HTTP request per connection; the next requests fail as told.

    ``refuse`` closes before reading, ``break`` closes after the request, ``cut`` after half of the reply's
    body, ``503`` answers Slow Down.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._faults: list[str] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def faults_left(self) -> int:
        return len(self._faults)

    def fail_after(self, requests: int) -> None:
        """Let that many requests pass and refuse all that follow, until :meth:`heal`."""
        with self._lock:
            self._faults = ["pass"] * requests + ["refuse"] * 10_000

    def heal(self) -> None:
        """Let every request pass."""
        with self._lock:
            self._faults = []

    def fail_next(self, fault: str, times: int) -> None:
        with self._lock:
            self._faults = [fault] * times

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        # A blocked accept is woken by a last connection of our own.
        self._faults = ["stop"]
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), timeout=1):
            pass
        self._thread.join(timeout=5)
        self._listener.close()

    def _serve(self) -> None:
        workers = []
        while True:
            connection, _ = self._listener.accept()
            with self._lock:
                fault = self._faults.pop(0) if self._faults else None
            if fault == "stop":
                connection.close()
                break
            worker = threading.Thread(target=self._handle, args=(connection, fault))
            worker.start()
            workers.append(worker)
        for worker in workers:
            worker.join(timeout=5)

    def _handle(self, connection: socket.socket, fault: str | None) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            if fault == "refuse":
                return
            request = _one_message(connection)
            if fault == "break":
                return
            if fault == "503":
                body = b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"
                head = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(
                    body
                )
                connection.sendall(head + body)
                return
            with socket.create_connection(self._target, timeout=10) as server:
                server.sendall(_closing(request))
                reply = b""
                while piece := server.recv(65_536):
                    reply += piece
            if fault == "cut":
                head, _, body = reply.partition(b"\r\n\r\n")
                # Of a reply without a body nothing is left: half a head could pass for a whole one.
                reply = head + b"\r\n\r\n" + body[: len(body) // 2] if body else b""
            connection.sendall(reply)


def _one_message(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    if b"100-continue" in head.lower():
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < (lengths[0] if lengths else 0):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def _closing(request: bytes) -> bytes:
    """The request without keep-alive and without waiting for a continue."""
    head, _, body = request.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body
