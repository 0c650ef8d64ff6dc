"""Telling an address of the operator's that an alias was taken from a version. Names and digests only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from governance.digest import canonical
from governance.errors import OutsideError

__all__ = ["send_notice"]

_SECONDS = 10.0


def send_notice(url: str, body: Mapping[str, Any]) -> None:
    """POST a notice as JSON.

    Raises:
        OutsideError: Nobody took it.
    """
    try:
        answer = httpx.post(
            url, content=canonical(dict(body)), headers={"Content-Type": "application/json"}, timeout=_SECONDS
        )
    except httpx.HTTPError as error:
        raise OutsideError(f"the notice to {url}: {type(error).__name__}") from error
    if answer.is_error:
        raise OutsideError(f"the notice to {url}: status {answer.status_code}")
