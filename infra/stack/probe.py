"""Asks a server on this machine whether it is there. Plain HTTP to loopback, no client library, no proxy."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["ask"]


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    timeout: float = 1.0,
) -> tuple[int, bytes] | None:
    """Status and body of one request; None when nobody answers in time.

    Args:
        url: Address of the server; ``http`` only.
        method: HTTP method.
        headers: Headers to send.
        body: Sent as JSON when not None.
        timeout: Seconds for the connection and for each read.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    payload = None if body is None else json.dumps(body)
    sent = {"Connection": "close", **(headers or {})}
    if payload is not None:
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body=payload, headers=sent)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
