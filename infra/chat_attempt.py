"""One request to a model over the wire: its reply, or why there is none and whether another attempt may bring one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import aiohttp

from infra.chat_endpoint import Endpoint
from infra.chat_wire import Reply, WireError, read_reply
from infra.pacing import retry_after

__all__ = ["NoAnswerError", "RetryError", "attempt"]

_OVERLOADED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_THROTTLED: Final = frozenset({429, 503, 529})


class RetryError(Exception):
    """This attempt brought no answer; another may."""

    def __init__(self, reason: str, *, overloaded: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.overloaded = overloaded
        self.wait = wait


class NoAnswerError(Exception):
    """There will be no answer, however often one asks."""


async def attempt(session: aiohttp.ClientSession, endpoint: Endpoint, body: bytes) -> Reply:
    """What the model replied to one request.

    Args:
        session: The connection; it holds the time limit and the key.
        endpoint: Where to.
        body: JSON of the request.

    Raises:
        RetryError: No answer this time.
        NoAnswerError: No answer, however often one asks.
    """
    address = endpoint.url.rstrip("/") + "/chat/completions"
    try:
        async with session.post(address, data=body, allow_redirects=False) as reply:
            if reply.status in _OVERLOADED:
                wait = retry_after(reply.headers.get("Retry-After"), now=datetime.now(UTC))
                raise RetryError(f"HTTP {reply.status}", overloaded=reply.status in _THROTTLED, wait=wait)
            if reply.status != 200:
                raise NoAnswerError(f"HTTP {reply.status}")
            data = await _read(reply, endpoint.largest)
            kind = reply.headers.get("Content-Type", "")
    except TimeoutError as error:
        raise RetryError("timed out") from error
    except aiohttp.ClientPayloadError as error:
        raise RetryError("the answer was cut off") from error
    except (aiohttp.ClientError, OSError) as error:
        raise RetryError("no connection") from error
    try:
        return read_reply(data, kind)
    except WireError as error:
        raise RetryError(str(error)) from error


async def _read(reply: aiohttp.ClientResponse, largest: int) -> bytes:
    """The body, but never more of it than ``largest``."""
    parts, size = [], 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > largest:
            reply.close()
            raise NoAnswerError(f"the answer is larger than {largest} bytes")
        parts.append(part)
    return b"".join(parts)
