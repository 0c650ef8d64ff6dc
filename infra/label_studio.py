"""One Label Studio server as one site sees it: the connection, its bounded patience, and its projects.

The SDK carries the requests (it knows both kinds of token and refreshes them). Where its methods would lose
data or hide a fault (paging by number, retries of requests that are not repeatable, an end of the list on
any 404), requests go through its HTTP client directly and every answer is checked here.

A project belongs to a site, a title and the digest of its labelling page, written as a marker into the
project's description: asking twice gives the same project, and a changed page gives a new one, so that no
project mixes answers to two different questions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from annotation.label_config import config_digest
from governance.digest import is_digest, short
from governance.errors import InputError, OutsideError, RefusedError
from infra.settings import SiteSettings

__all__ = ["LabelStudioError", "LabelStudioSite", "Project"]

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 60.0
_SERVER_FAULTS: Final = 5
_PASSING: Final = frozenset({408, 429})
_TITLE_LENGTH: Final = 50  # the server's limit
_MARKER: Final = re.compile(r"\[bounds site=(?P<site>\S+) title=(?P<title>.*?) config=(?P<config>\S+)\]")

# One task is one showing to one person; an empty or skipped answer says nothing that the page cannot say.
_PROJECT_SETTINGS: Final[Mapping[str, Any]] = {
    "maximum_annotations": 1,
    "enable_empty_annotation": False,
    "show_annotation_history": False,
    "show_skip_button": False,
    "show_collab_predictions": False,
    "skip_queue": "REQUEUE_FOR_OTHERS",
}


class LabelStudioError(OutsideError):
    """The server refused or did not answer; ``status`` is None where there was no answer."""

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status in _PASSING or self.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of the platform on the server.

    Attributes:
        id: Label Studio's id.
        title: Title the platform knows it by (the server's may carry a suffix).
        config: Digest of the labelling page it was made for.
    """

    id: int
    title: str
    config: str


class LabelStudioSite:
    """A site's Label Studio.

    Args:
        settings: Address, token and key of the site.
        patience: Seconds for which an unreachable server is asked again before giving up.
        timeout: Seconds for one request.

    Raises:
        InputError: The settings name no address or no token.
    """

    def __init__(
        self, settings: SiteSettings, *, patience: float = _PATIENCE_SECONDS, timeout: float = 300.0
    ) -> None:
        if not settings.label_studio_url or settings.label_studio_token is None:
            raise InputError(
                "the site has no Label Studio",
                field=f"sites.{settings.id}.label_studio_url",
                value=settings.label_studio_url,
                expected="an address and a token (bounds up writes both)",
            )
        self.settings = settings
        self.url = settings.label_studio_url.rstrip("/")
        self._patience = patience
        self._http = httpx.Client(timeout=timeout, follow_redirects=True)
        self.client: Any = LabelStudio(  # type: ignore[no-untyped-call]
            base_url=self.url,
            api_key=settings.label_studio_token.get_secret_value(),
            timeout=timeout,
            max_retries=0,
            httpx_client=self._http,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the site cannot be asked afterwards."""
        self._http.close()

    @property
    def id(self) -> str:
        """The site's id."""
        return self.settings.id

    def attempt(self, what: str, act: Callable[[], T], *, again: bool = True) -> T:
        """``act()``, asked again while the fault is a passing one and patience lasts.

        Args:
            what: What is being done, for the message.
            act: A call of the SDK or of :meth:`_send`.
            again: False for a request that must not be sent twice.

        Raises:
            LabelStudioError: Refused, or still failing when patience ended.
        """
        deadline = time.monotonic() + self._patience
        pause, faults = 0.25, 0
        while True:
            try:
                return act()
            except (httpx.TransportError, ApiError) as error:
                fault = self._fault(what, error)
                faults += fault.status is not None
                if (
                    not again
                    or not fault.is_passing
                    or faults >= _SERVER_FAULTS
                    or time.monotonic() + pause > deadline
                ):
                    raise fault from error
            time.sleep(pause)
            pause = min(pause * 2, 4.0)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a path; asked again on passing faults."""
        return self.attempt(f"GET {path}", lambda: self._send("GET", path, params=params).json())

    def send(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """One request that changes something, sent exactly once; its JSON, or None if it has no body."""
        response = self.attempt(
            f"{method} {path}", lambda: self._send(method, path, json=json, params=params), again=False
        )
        return response.json() if response.content else None

    def now(self, path: str) -> tuple[datetime, Any]:
        """The server's own time when it answered ``GET path``, and the answer.

        Raises:
            OutsideError: The server does not answer, or does not say the time.
        """
        response = self.attempt(f"GET {path}", lambda: self._send("GET", path))
        stated = response.headers.get("date")
        if stated is None:
            raise OutsideError(f"site {self.id}: the server at {self.url} does not state its time")
        return parsedate_to_datetime(stated).astimezone(UTC), response.json()

    def projects(self) -> list[Project]:
        """The platform's projects of this site, oldest first."""
        found = []
        for entry in self._all_projects():
            marker = _MARKER.search(entry.get("description") or "")
            if marker and marker["site"] == self.id:
                found.append(Project(id=entry["id"], title=marker["title"], config=marker["config"]))
        return sorted(found, key=lambda project: project.id)

    def ensure_project(self, title: str, config: str) -> int:
        """The id of the site's project of that title and page, made if it does not exist.

        A page that differs from every existing project's gives a new project; judgements already given keep
        theirs.

        Raises:
            RefusedError: The project exists, but somebody has changed its page on the server.
            LabelStudioError: The server refused or cannot be reached.
        """
        digest = config_digest(config)
        for again in (True, True, False):
            siblings = [project for project in self.projects() if project.title == title]
            for project in siblings:
                if project.config == digest:
                    self.check_project(project.id, digest)
                    return project.id
            try:
                return self._create(title, config, digest, first=not siblings)
            except LabelStudioError as error:
                # The request may have been carried out before the connection broke: look before asking again.
                if not (again and error.is_passing):
                    raise
        raise AssertionError("unreachable")

    def check_project(self, project: int, digest: str) -> None:
        """Compare the project's page with the digest it was made for, and put its settings right.

        Raises:
            InputError: It is no digest.
            RefusedError: The page is another one.
        """
        if not is_digest(digest):
            raise InputError("not a digest", field="config", value=digest)
        entry = self.get(f"api/projects/{project}/")
        self.require_page(entry, digest)
        drifted = {key: value for key, value in _PROJECT_SETTINGS.items() if entry.get(key) != value}
        if drifted:
            self.attempt(
                f"settings of project {project}",
                lambda: self._send("PATCH", f"api/projects/{project}/", json=drifted),
            )

    def require_page(self, entry: Mapping[str, Any], digest: str) -> None:
        """Compare the page of a project, as the server states it, with the digest it was made for.

        Raises:
            RefusedError: The page is another one: answers to it would be read as answers to ours.
        """
        actual = config_digest(entry["label_config"])
        if actual != digest:
            raise RefusedError(
                f"Label Studio project {entry['id']} at {self.url}",
                [
                    f"its labelling page was changed on the server ({short(actual)}, made with {short(digest)})",
                    "put the page back, or give the collection a new title",
                ],
            )

    def _create(self, title: str, config: str, digest: str, *, first: bool) -> int:
        shown = title if first else f"{title[: _TITLE_LENGTH - 9]} {short(digest, 8)}"
        made = self.attempt(
            f"new project {title!r}",
            lambda: self.client.projects.create(
                title=shown[:_TITLE_LENGTH],
                description=f"Made by bounds; please do not edit this line. "
                f"[bounds site={self.id} title={title} config={digest}]",
                label_config=config,
                **_PROJECT_SETTINGS,
            ),
            again=False,
        )
        if made.id is None:
            raise OutsideError(f"site {self.id}: the server at {self.url} made a project without an id")
        self.check_project(int(made.id), digest)
        return int(made.id)

    def _all_projects(self) -> list[dict[str, Any]]:
        listed: dict[int, dict[str, Any]] = {}
        page = 1
        while True:
            answer = self.get("api/projects/", {"page": page, "page_size": 500, "ordering": "id"})
            for entry in answer["results"]:
                listed[entry["id"]] = entry
            if not answer["next"] or not answer["results"]:
                return list(listed.values())
            page += 1

    def _send(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        # The SDK has no public way to send a request of one's own with its tokens.
        sender = self.client._client_wrapper.httpx_client  # noqa: SLF001
        response: httpx.Response = sender.request(
            path, method=method, params=dict(params or {}), json=json, request_options={"max_retries": 0}
        )
        if response.status_code >= 400:
            raise ApiError(status_code=response.status_code, body=response.text)
        return response

    def _fault(self, what: str, error: httpx.TransportError | ApiError) -> LabelStudioError:
        place = f"site {self.id}: Label Studio at {self.url}: {what}"
        if isinstance(error, ApiError):
            # The body may quote an e-mail address or an answer: it goes no further than the exception chain.
            return LabelStudioError(f"{place}: status {error.status_code}", status=error.status_code)
        return LabelStudioError(f"{place}: no answer ({type(error).__name__})", status=None)
