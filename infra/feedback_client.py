"""A client for ``POST /v1/feedback`` that loses nothing: it writes to the disk first and sends afterwards.

For applications; standard library only, so that the file may be copied. ``give`` returns when the event is on the
disk. ``flush`` sends what is there and forgets an event only when the platform has said that it is durable; killed
anywhere, the next one goes on. An event keeps its id, so one that was sent twice is kept once.

    client = FeedbackClient("http://127.0.0.1:8800", key, folder)
    client.give({"user": "u-4711", "kind": "thumbs", "up": True, ...})
    client.flush()
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["FeedbackClient", "FeedbackRefusedError"]

_BATCH: Final = 100
_LONGEST_PAUSE: Final = 60.0


class FeedbackRefusedError(Exception):
    """The platform will never take these requests: the key, the scope or the address is wrong."""


class FeedbackClient:
    """Buffers feedback in a folder and sends it.

    Args:
        url: Address of the platform's web app.
        key: API key with the scope ``feedback:write``.
        folder: Where events wait; one process may give while another flushes.
        site: Site; the installation's first by default.
        pause: Waits for so many seconds; for tests.
        timeout: Seconds to wait for an answer.
    """

    def __init__(
        self,
        url: str,
        key: str,
        folder: Path,
        *,
        site: str | None = None,
        pause: Callable[[float], None] = time.sleep,
        timeout: float = 30.0,
    ) -> None:
        self._url = urlsplit(url)
        self._key = key
        self._site = site
        self._waiting = folder / "waiting"
        self._refused = folder / "refused"
        self._pause = pause
        self._timeout = timeout
        for each in (self._waiting, self._refused):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)

    def give(self, event: Mapping[str, Any]) -> str:
        """Put an event on the disk; its id, made here where it has none."""
        named = {"event": uuid.uuid4().hex, **event}
        # Sorted by time, so that events are sent in the order given.
        name = f"{time.time_ns():020d}-{named['event']}.json"
        fresh = self._waiting / f".{name}"
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(named, stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.rename(self._waiting / name)
        _sync(self._waiting)
        return str(named["event"])

    def waiting(self) -> list[Path]:
        """The events that are not acknowledged yet, oldest first."""
        return sorted(path for path in self._waiting.glob("*.json") if not path.name.startswith("."))

    def flush(self, *, attempts: int = 8) -> int:
        """Send what is waiting; how many events were acknowledged. What is left waits for the next time.

        An event that the platform cannot use is put aside under ``refused`` with the reason.

        Raises:
            FeedbackRefusedError: The key or the address is wrong; everything waits on.
        """
        acknowledged = 0
        with self._alone() as alone:
            while alone and (files := self.waiting()[:_BATCH]):
                done = self._send(files, attempts)
                if done is None:
                    return acknowledged
                acknowledged += done
        return acknowledged

    def _send(self, files: list[Path], attempts: int) -> int | None:
        """Send some files, alone where together one of them is refused; None if the platform cannot be reached."""
        events = [json.loads(path.read_text(encoding="utf-8")) for path in files]
        status, answer = self._post(events, attempts)
        if status == 200:
            outcomes = {each["event"]: each["outcome"] for each in answer["results"]}
            for path, event in zip(files, events, strict=True):
                if outcomes.get(event["event"]) in {"stored", "duplicate"}:
                    path.unlink(missing_ok=True)
                else:
                    self._put_aside(path, str(outcomes.get(event["event"])))
            return sum(outcome in {"stored", "duplicate"} for outcome in outcomes.values())
        if status in {413, 422}:
            if len(files) == 1:
                self._put_aside(files[0], str(answer.get("detail", status)))
                return 0
            middle = len(files) // 2
            halves = [self._send(half, attempts) for half in (files[:middle], files[middle:])]
            return None if None in halves else sum(half or 0 for half in halves)
        if status in {400, 401, 403, 404, 405}:
            raise FeedbackRefusedError(f"{status}: {answer.get('detail', '')}")
        return None

    def _post(self, events: list[Any], attempts: int) -> tuple[int, dict[str, Any]]:
        body = json.dumps({"events": events} | ({"site": self._site} if self._site else {})).encode()
        wait, status = 0.5, 0
        answer: dict[str, Any] = {}
        for attempt in range(attempts):
            status, answer, after = self._once(body)
            if status and status != 429 and status < 500:
                return status, answer
            if attempt + 1 < attempts:
                self._pause(min(after if after is not None else wait, _LONGEST_PAUSE))
                wait = min(wait * 2, _LONGEST_PAUSE)
        return status, answer

    def _once(self, body: bytes) -> tuple[int, dict[str, Any], float | None]:
        """Status (0: no answer), the answer, and after how many seconds it asks to be tried again."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=self._timeout)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request("POST", f"{self._url.path.rstrip('/')}/v1/feedback", body, headers)
            response = connection.getresponse()
            text = response.read()
            stated = response.headers.get("Retry-After", "")
            after = float(stated) if stated.isdigit() else None
            answer = json.loads(text) if text else {}
            return response.status, answer if isinstance(answer, dict) else {}, after
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}, None
        finally:
            connection.close()

    def _put_aside(self, path: Path, reason: str) -> None:
        (self._refused / f"{path.stem}.reason").write_text(reason + "\n", encoding="utf-8")
        path.rename(self._refused / path.name)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process is the one that sends; the lock ends with the process."""
        descriptor = os.open(self._waiting / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
