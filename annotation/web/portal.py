"""The portal of one installation: what its routes share, and what every request must pass first."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import Response

from annotation.codebook import Codebook, ConsentText
from annotation.enrolment import Enrolled
from annotation.pay import in_words
from annotation.records import AnswerStatus
from annotation.web import markdown
from annotation.web.guards import Bucket, Form, cookie_of, csrf_token, require_own
from annotation.web.live_port import LiveStore
from annotation.web.ports import PortalStore
from annotation.web.texts import Language, Languages
from governance.errors import BoundsError, RefusedError

__all__ = [
    "AT_ONCE",
    "STATIC",
    "Portal",
    "PortalRoute",
    "Sent",
    "SentForm",
    "SignedIn",
    "ThePortal",
    "TurnError",
    "Visit",
]

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"
_LOG: Final = logging.getLogger(__name__)
AT_ONCE: Final = 4
"""Requests that are worked on at a time; more of them would only wait for each other inside Python, each longer."""
_PAGES: Final = {400: "forbidden", 403: "forbidden", 404: "not_found", 413: "forbidden", 429: "too_many"}


class TurnError(Exception):
    """Internal: the person belongs on another page."""

    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.to = to


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request of somebody who is signed in."""

    person: Enrolled
    secret: str
    language: Language
    now: datetime

    @property
    def csrf(self) -> str:
        """The token of the forms of this session."""
        return csrf_token(self.secret)


class Portal:
    """What the routes share.

    Args:
        store: The people and their judgements.
        languages: The words.
        codebook: The questions.
        consent_text: What people agree to.
        countries: ISO 3166-1 alpha-3 code → name in each language.
        clock: Tells the time.
        secure: Whether people reach the portal by https.
        per_minute: Requests of one session that are served on the long run.
        live: Live conversations; None where there are none.
    """

    def __init__(
        self,
        store: PortalStore,
        *,
        languages: Languages,
        codebook: Codebook,
        consent_text: ConsentText,
        countries: Mapping[str, Mapping[str, str]],
        clock: Callable[[], datetime],
        secure: bool,
        per_minute: int = 240,
        live: LiveStore | None = None,
    ) -> None:
        self.store = store
        self.live = live
        self.languages = languages
        self.codebook = codebook
        self.consent_text = consent_text
        self.countries = countries
        self.clock = clock
        self.secure = secure
        self.pace = Bucket(burst=max(per_minute // 2, 1), per_minute=per_minute, clock=clock)
        self.guesses = Bucket(burst=10, per_minute=5, clock=clock)
        self.places = asyncio.Semaphore(AT_ONCE)
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["markdown"] = markdown.render
        self._environment.filters["in_words"] = in_words

    def page(
        self,
        template: str,
        *,
        language: Language,
        visit: Visit | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """A page; nothing undefined, everything escaped, kept by no cache."""
        text = self._environment.get_template(template).render(
            t=language,
            languages=self.languages,
            visit=visit,
            csrf=visit.csrf if visit else "",
            talks=visit is not None and self.live is not None and self.live.is_offered(visit.person),
            local=lambda texts: texts.get(language.tag) or next(iter(texts.values())),
            **context,
        )
        return HTMLResponse(
            text,
            status_code=status,
            # Forms need their origin, which browsers withhold where no referrer may be sent at all.
            headers={"Cache-Control": "no-store", "Referrer-Policy": "same-origin", **(headers or {})},
        )

    def message(
        self,
        key: str,
        *,
        language: Language,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        note: str | None = None,
    ) -> HTMLResponse:
        """A page that only says something: the texts ``<key>_title`` and ``<key>_body``."""
        return self.page(
            "message.html", language=language, status=status, headers=headers, key=key, note=note
        )

    def language_of(self, request: Request) -> Language:
        """The language of somebody who is not signed in."""
        asked = request.query_params.get("lang")
        if asked:
            return self.languages.get(asked)
        return self.languages.preferred(request.headers.get("accept-language", ""))

    def visit(self, request: Request) -> Visit:
        """Who asks.

        Raises:
            HTTPException: 401, nobody who is signed in; 429, somebody too quick.
        """
        secret = cookie_of(request, secure=self.secure)
        now = self.clock()
        person = self.store.session(secret, now) if secret else None
        if secret is None or person is None:
            raise HTTPException(401, "no session")
        self.pace.take(f"{person.site}/{person.annotator}")
        return Visit(person=person, secret=secret, language=self.languages.get(person.locale), now=now)

    def checked(self, request: Request, form: Form) -> Visit:
        """Who sends a form.

        Raises:
            HTTPException: 401, 403 or 429.
        """
        visit = self.visit(request)
        if not hmac.compare_digest((form.one("csrf") or "").encode(), visit.csrf.encode()):
            raise HTTPException(403, "not a form of this session")
        return visit

    def has_consented(self, visit: Visit) -> bool:
        """Whether everything that is needed to take part is agreed to now, under the text shown now."""
        state = self.store.consent(visit.person)
        required = [purpose.id for purpose in self.consent_text.purposes if purpose.required]
        return state is not None and all(state.is_live(purpose) for purpose in required)

    def require_ready(self, visit: Visit, *, upto: str = "work") -> None:
        """Send the person back to the first step that is still open.

        Raises:
            TurnError: To that step's page.
        """
        if not self.has_consented(visit):
            raise TurnError("/portal/consent")
        if upto == "about" or visit.person.practised_at is not None:
            return
        answers = self.store.answers(visit.person)
        told = {str(AnswerStatus.ANSWERED), str(AnswerStatus.PREFER_NOT_TO_SAY)}
        if any(f.id not in answers or answers[f.id].status not in told for f in self.codebook.fields):
            raise TurnError("/portal/about-you")
        if upto != "practice":
            raise TurnError("/portal/instructions")

    def failed(self, request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
        """The page of a refusal."""
        language = self.language_of(request)
        if status == 401:
            return self.message("no_session", language=language, status=401)
        key = _PAGES.get(status, "trouble")
        if status == 404 and request.url.path.startswith("/join/"):
            key = "no_link"
        return self.message(key, language=language, status=status, headers=headers)


async def sent_form(request: Request) -> Form:
    """The form of a request, refused if a page elsewhere sent it."""
    require_own(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPException(400, "not a form")
    return Form.parse(body)


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def the_portal(request: Request) -> Portal:
    """The portal of the app that was asked."""
    portal: Portal = request.app.state.portal
    return portal


def signed_in(request: Request) -> Visit:
    """Who asks; see :meth:`Portal.visit`."""
    return the_portal(request).visit(request)


SentForm = Annotated[Form, Depends(sent_form)]


def sent(request: Request, form: SentForm) -> Visit:
    """Who sends a form; see :meth:`Portal.checked`."""
    return the_portal(request).checked(request, form)


async def _portal_asked(request: Request) -> Portal:
    # A coroutine, so that no thread is taken for it.
    return the_portal(request)


ThePortal = Annotated[Portal, Depends(_portal_asked)]
SignedIn = Annotated[Visit, Depends(signed_in)]
Sent = Annotated[Visit, Depends(sent)]


class PortalRoute(APIRoute):
    """A route that answers every refusal and every fault with a page of the portal, a few requests at a time."""

    def get_route_handler(self) -> Handler:
        """The handler, wrapped."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                # Read before a place is taken: whoever sends slowly keeps nobody waiting.
                await request.body()
                async with the_portal(request).places:
                    return await inner(request)
            except TurnError as turn:
                return RedirectResponse(turn.to, 303)
            except HTTPException as refused:
                return the_portal(request).failed(request, refused.status_code, refused.headers)
            except RefusedError:
                # The person was erased while they were still here.
                return the_portal(request).failed(request, 401)
            except BoundsError as error:
                _LOG.warning("portal: %s at %s", type(error).__name__, self.path)
                return the_portal(request).failed(request, 503, {"Retry-After": "30"})

        return handle
