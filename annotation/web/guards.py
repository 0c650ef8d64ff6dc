"""What stands between a request and the portal: the session's cookie, the form's token, origin, pace.

- The cookie is ``HttpOnly``, ``SameSite=Strict``, ``Secure`` and ``__Host-`` wherever the address is https.
- Every form carries a token derived from the session's secret; a form without it, or one that another site's
  page sends (``Origin``, ``Sec-Fetch-Site``), is refused before anything of it is read into the platform.
- Each session, and each address that guesses links, has a bucket of requests that refills with time.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Bucket", "Form", "clear_cookie", "cookie_of", "csrf_token", "require_own", "set_cookie"]

_COOKIE: Final = "bounds-portal"
_MOST_FIELDS: Final = 400
_HOURS_12: Final = 43_200


class Form:
    """The fields of a sent form; every value is text, a name may stand more than once."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, body: bytes) -> Form:
        """The form of a url-encoded body.

        Raises:
            HTTPException: 400, it is none.
        """
        try:
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
            )
        except (ValueError, UnicodeDecodeError) as error:
            raise HTTPException(400, "not a form") from error
        fields: dict[str, list[str]] = {}
        for name, value in pairs:
            if "\x00" in value:
                raise HTTPException(400, "not a form")
            fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
        return cls(fields)

    def one(self, name: str) -> str | None:
        """The value of a name; None if it is not there or stands more than once."""
        values = self._fields.get(name, [])
        return values[0] if len(values) == 1 else None

    def every(self, name: str) -> list[str]:
        """All values of a name."""
        return list(self._fields.get(name, []))


def csrf_token(secret: str) -> str:
    """The token of a session's forms."""
    return hmac.new(secret.encode("utf-8", "replace"), b"bounds.portal.form/1", hashlib.sha256).hexdigest()


def require_own(request: Request) -> None:
    """Refuse a form that a page elsewhere sent.

    Raises:
        HTTPException: 403, the browser says that another origin sent it.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    # Under a policy of no referrer browsers send "null" for their own pages too, and say so in Sec-Fetch-Site.
    is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    if not is_own and not (origin == "null" and site == "same-origin"):
        raise HTTPException(403, "another origin")
    if site not in {None, "same-origin", "none"}:
        raise HTTPException(403, "another site")


def cookie_of(request: Request, *, secure: bool) -> str | None:
    """The session's secret that the browser sent."""
    return request.cookies.get(_name(secure))


def set_cookie(response: Response, secret: str, *, secure: bool) -> None:
    """Give the browser the session's secret."""
    response.set_cookie(
        _name(secure),
        secret,
        max_age=_HOURS_12,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response, *, secure: bool) -> None:
    """Take it back."""
    response.delete_cookie(_name(secure), path="/", secure=secure, httponly=True, samesite="strict")


def _name(secure: bool) -> str:
    # The prefix makes browsers refuse the cookie from any other host and over http.
    return f"__Host-{_COOKIE}" if secure else _COOKIE


class Bucket:
    """At most ``burst`` at once and ``per_minute`` on the long run, for each name; of one process.

    Args:
        burst: Size of the bucket.
        per_minute: How fast it refills.
        clock: Tells the time.
        most: Names remembered; the longest unused go first.
    """

    def __init__(
        self, *, burst: int, per_minute: float, clock: Callable[[], datetime], most: int = 50_000
    ) -> None:
        self._burst = burst
        self._rate = per_minute / 60
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Take one.

        Raises:
            HTTPException: 429 with Retry-After, the bucket is empty.
        """
        if (wait := self._wait(name, take=True)) > 0:
            raise HTTPException(429, "too many requests", {"Retry-After": str(int(wait) + 1)})

    def require(self, name: str) -> None:
        """Refuse if the bucket is empty; takes nothing.

        Raises:
            HTTPException: 429 with Retry-After.
        """
        if (wait := self._wait(name, take=False)) > 0:
            raise HTTPException(429, "too many requests", {"Retry-After": str(int(wait) + 1)})

    def _wait(self, name: str, *, take: bool) -> float:
        now = self._clock()
        with self._lock:
            level, since = self._levels.pop(name, (float(self._burst), now))
            level = min(self._burst, level + max((now - since).total_seconds(), 0.0) * self._rate)
            wait = 0.0 if level >= 1 else (1 - level) / self._rate
            self._levels[name] = (level - 1 if take and wait == 0 else level, now)
            while len(self._levels) > self._most:
                self._levels.popitem(last=False)
        return wait
