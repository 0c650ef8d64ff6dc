"""From the invitation to the first item: link, consent, questions, instructions and practice."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from annotation.codebook import Question
from annotation.label_config import ANSWERS
from annotation.records import AnswerStatus
from annotation.web.guards import Form, clear_cookie, require_own, set_cookie
from annotation.web.portal import Portal, PortalRoute, Sent, SentForm, SignedIn, ThePortal, Visit
from governance.errors import RecordError

__all__ = ["ROUTER"]


ROUTER: Final = APIRouter(route_class=PortalRoute, include_in_schema=False)


@ROUTER.get("/join/{token}")
def invitation(portal: ThePortal, request: Request, token: str) -> Response:
    language = portal.language_of(request)
    _require_link(portal, request, token)
    return portal.page("join.html", language=language, token=token)


@ROUTER.post("/join/{token}")
def begin(portal: ThePortal, request: Request, token: str, form: SentForm) -> Response:
    require_own(request)
    _require_link(portal, request, token)
    locale = portal.languages.get(form.one("lang")).tag
    secret = portal.store.open_session(token, locale, portal.clock())
    if secret is None:
        raise HTTPException(404, "no such link")
    answer = RedirectResponse("/portal", 303)
    set_cookie(answer, secret, secure=portal.secure)
    return answer


@ROUTER.get("/portal")
def home(portal: ThePortal, visit: SignedIn) -> Response:
    portal.require_ready(visit)
    return RedirectResponse("/portal/work", 303)


@ROUTER.post("/portal/leave")
def leave(portal: ThePortal, visit: Sent) -> Response:
    portal.store.sign_out(visit.secret)
    answer = portal.message("left", language=visit.language)
    clear_cookie(answer, secure=portal.secure)
    return answer


@ROUTER.get("/portal/consent")
def consent(portal: ThePortal, visit: SignedIn) -> Response:
    state = portal.store.consent(visit.person)
    chosen = {} if state is None else dict(state.purposes)
    return _consent_page(portal, visit, chosen, missing=())


@ROUTER.post("/portal/consent")
def decide(portal: ThePortal, visit: Sent, form: SentForm) -> Response:
    said = {purpose.id: form.one(f"purpose.{purpose.id}") for purpose in portal.consent_text.purposes}
    chosen = {id_: value == "yes" for id_, value in said.items() if value in {"yes", "no"}}
    # A form of another text than the one in force decides nothing: it was not what the person read.
    if form.one("version") != portal.consent_text.digest or len(chosen) < len(said):
        missing = tuple(id_ for id_ in said if id_ not in chosen)
        return _consent_page(portal, visit, chosen, missing=missing, status=422)
    portal.store.decide(visit.person, chosen, visit.now)
    if not portal.has_consented(visit):
        return portal.message("consent_declined", language=visit.language, note=None)
    if form.one("from") == "mine":
        return RedirectResponse("/portal/my-data", 303)
    return RedirectResponse("/portal", 303)


@ROUTER.get("/portal/about-you")
def about(portal: ThePortal, visit: SignedIn) -> Response:
    portal.require_ready(visit, upto="about")
    held = portal.store.answers(visit.person)
    given = {
        field: {"status": one.status, "values": (one.value or "").split(), "words": one.words or ""}
        for field, one in held.items()
    }
    return _about_page(portal, visit, given, {})


@ROUTER.post("/portal/about-you")
def tell(portal: ThePortal, visit: Sent, form: SentForm) -> Response:
    portal.require_ready(visit, upto="about")
    decline = form.one("decline") == "1"
    rows: list[tuple[str, str, str | None, str | None]] = []
    problems: dict[str, str] = {}
    given: dict[str, dict[str, Any]] = {}
    for question in portal.codebook.fields:
        status, values, words = _sent_answer(question, form, decline=decline)
        # A text comes back as it was written, also where something else is still open.
        shown = values[0] if question.type == "text" and values else words
        given[question.id] = {"status": status, "values": values, "words": shown}
        try:
            value, own = question.check(status, values, words, portal.countries)
        except RecordError:
            problems[question.id] = "bad_answer" if any(values) else "not_answered"
            continue
        rows.append((question.id, status, value, own))
    # What is right is kept even where something else is still open.
    portal.store.give_answers(visit.person, rows, visit.now)
    if problems:
        return _about_page(portal, visit, given, problems, status=422)
    return RedirectResponse("/portal/my-data" if form.one("from") == "mine" else "/portal", 303)


@ROUTER.get("/portal/instructions")
def instructions(portal: ThePortal, visit: SignedIn) -> Response:
    portal.require_ready(visit, upto="practice")
    return portal.page(
        "instructions.html",
        language=visit.language,
        visit=visit,
        here="work",
        answers=ANSWERS,
        error=False,
    )


@ROUTER.post("/portal/instructions")
def practised(portal: ThePortal, visit: Sent, form: SentForm) -> Response:
    portal.require_ready(visit, upto="practice")
    if form.one("choice") not in ANSWERS:
        return portal.page(
            "instructions.html",
            language=visit.language,
            visit=visit,
            here="work",
            answers=ANSWERS,
            error=True,
            status=422,
        )
    portal.store.note_practised(visit.person, visit.now)
    return RedirectResponse("/portal/work", 303)


def _require_link(portal: Portal, request: Request, token: str) -> None:
    address = request.client.host if request.client else "unknown"
    # Only guesses cost something: many people may share an address.
    portal.guesses.require(address)
    if len(token) > 200 or portal.store.redeem(token, portal.clock()) is None:
        portal.guesses.take(address)
        raise _NoLinkError


class _NoLinkError(HTTPException):
    def __init__(self) -> None:
        super().__init__(404, "no such link")


def _consent_page(
    portal: Portal, visit: Visit, chosen: dict[str, bool], *, missing: tuple[str, ...], status: int = 200
) -> Response:
    return portal.page(
        "consent.html",
        language=visit.language,
        visit=visit,
        here="mine" if visit.person.practised_at else "work",
        text=portal.consent_text,
        digest=portal.consent_text.digest,
        chosen=chosen,
        missing=missing,
        status=status,
    )


def _about_page(
    portal: Portal, visit: Visit, given: dict[str, Any], problems: dict[str, str], *, status: int = 200
) -> Response:
    tag = visit.language.tag
    countries = sorted(
        ((code, names.get(tag) or names["en"]) for code, names in portal.countries.items()),
        key=lambda pair: pair[1],
    )
    return portal.page(
        "about.html",
        language=visit.language,
        visit=visit,
        here="mine" if visit.person.practised_at else "work",
        codebook=portal.codebook,
        countries=countries,
        given=given,
        problems=problems,
        status=status,
    )


def _sent_answer(question: Question, form: Form, *, decline: bool) -> tuple[str, list[str], str]:
    declined = str(AnswerStatus.PREFER_NOT_TO_SAY)
    values = [value for value in form.every(f"f.{question.id}") if value.strip()]
    words = form.one(f"w.{question.id}") or ""
    if values == [declined] or form.one(f"p.{question.id}") == "1" or (decline and not values):
        return declined, [], words
    return str(AnswerStatus.ANSWERED), values, words
