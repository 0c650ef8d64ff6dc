"""A program that plays a person at the portal: over HTTP, through the same pages, one request after the other.

The demonstration enrols its people with it, and the load test measures with it. Whom it plays is marked as
simulated when invited, and so is everything that it gives.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlencode

import httpx

from governance.errors import OutsideError

__all__ = ["PortalVisitor"]

_CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_VERSION: Final = re.compile(r'name="version" value="(sha256:[0-9a-f]{64})"')
_PURPOSE: Final = re.compile(r'name="purpose\.([a-z0-9_-]+)" value="yes"')
_SHOWN: Final = re.compile(r'action="/portal/work/(p-[0-9a-f]{24})(/show)?"')
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_MOST_STEPS: Final = 12


@dataclass(slots=True)
class PortalVisitor:
    """One simulated person at a portal.

    Attributes:
        address: The portal's address.
        link: Path of the personal link.
        profile: Codebook field → category id, or ids separated by spaces; what is not in it is declined.
        purposes: Consent purposes agreed to; None agrees to all.
        seconds: Time of every request so far, by what was asked: ``serve``, ``submit``, ``other``.
    """

    address: str
    link: str
    profile: Mapping[str, str | None]
    purposes: frozenset[str] | None = None
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"serve": [], "submit": [], "other": []})
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # As a browser, which keeps its connection while a person thinks.
        self._client = httpx.Client(
            base_url=self.address, timeout=30, limits=httpx.Limits(keepalive_expiry=60)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def join(self) -> None:
        """Follow the link: a session begins.

        Raises:
            OutsideError: The link is none, or the portal fails.
        """
        self._post(self.link, {})

    def enrol(self) -> None:
        """Follow the link, decide, answer, practise.

        Raises:
            OutsideError: The portal answers with something else than its pages.
        """
        self.join()
        page = self._get("/portal/consent")
        decisions = {
            f"purpose.{purpose}": "yes" if self.purposes is None or purpose in self.purposes else "no"
            for purpose in _PURPOSE.findall(page)
        }
        self._post(
            "/portal/consent", {"csrf": _one(_CSRF, page), "version": _one(_VERSION, page), **decisions}
        )
        answers = {f"f.{name}": value.split() for name, value in self.profile.items() if value}
        page = self._get("/portal/about-you")
        self._post("/portal/about-you", {"csrf": _one(_CSRF, page), **answers, "decline": ["1"]})
        page = self._get("/portal/instructions")
        self._post("/portal/instructions", {"csrf": _one(_CSRF, page), "choice": "about_the_same"})

    def judge(
        self,
        answer: Callable[[str, str], Mapping[str, str]],
        *,
        most: int,
        pause: Callable[[], float] | None = None,
    ) -> int:
        """Judge up to ``most`` items; how many were submitted.

        Args:
            answer: From the presentation's id and its page to the fields of the form.
            most: At most so many items.
            pause: Seconds to think before each submission; none by default.

        Raises:
            OutsideError: The portal refuses or fails.
        """
        given = 0
        while given < most and (found := self.look()) is not None:
            if pause is not None:
                time.sleep(pause())
            self.submit(*found, answer(*found))
            given += 1
        return given

    def look(self) -> tuple[str, str] | None:
        """The presentation that is this person's turn, shown now, and its page; None if nothing is left for them.

        Raises:
            OutsideError: The portal refuses or fails.
        """
        while True:
            page = self._get("/portal/work", kind="serve")
            found = _SHOWN.search(page)
            if found is None:
                return None
            if not found[2]:
                return found[1], page
            self._post(f"/portal/work/{found[1]}/show", {"csrf": _one(_CSRF, page)})

    def submit(self, presentation: str, page: str, answer: Mapping[str, str]) -> None:
        """Send the form of a page that :meth:`look` gave.

        Raises:
            OutsideError: The portal refuses or fails.
        """
        self._post(f"/portal/work/{presentation}", {"csrf": _one(_CSRF, page), **answer}, kind="submit")

    def withdraw(self) -> None:
        """Withdraw, by the page of one's own data; from here on nothing is served to the person.

        Raises:
            OutsideError: The portal refuses or fails.
        """
        page = self._get("/portal/my-data/withdraw")
        self._post("/portal/my-data/withdraw", {"csrf": _one(_CSRF, page), "sure": "1"}, expect=200)

    def _get(self, path: str, *, kind: str = "other") -> str:
        for _ in range(_MOST_STEPS):
            answer = self._timed(kind, lambda path=path: self._client.get(path))  # type: ignore[misc]
            if answer.status_code != 303:
                break
            path = answer.headers["location"]
        if answer.status_code != 200:
            raise OutsideError(f"the portal answers {path} with {answer.status_code}")
        return answer.text

    def _post(
        self, path: str, fields: Mapping[str, object], *, kind: str = "other", expect: int = 303
    ) -> None:
        body = urlencode(fields, doseq=True)
        answer = self._timed(kind, lambda: self._client.post(path, content=body, headers=_FORM))
        if answer.status_code != expect:
            where = re.sub(r"/join/.*", "/join/…", path)
            raise OutsideError(f"the portal answers the form of {where} with {answer.status_code}")

    def _timed(self, kind: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
        begun = time.monotonic()
        try:
            return ask()
        except httpx.HTTPError as error:
            raise OutsideError(f"the portal at {self.address}: {error}") from error
        finally:
            self.seconds[kind].append(time.monotonic() - begun)


def _one(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    if found is None:
        raise OutsideError("the portal's page is not the one that was expected")
    return found[1]
