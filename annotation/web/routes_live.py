"""Live conversations: the person writes, several models answer blind, the person judges, the best answer goes on."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from annotation.enrolment import Submitted
from annotation.label_config import ANSWERS
from annotation.labelling import SCORES
from annotation.live import LONGEST_MESSAGE, PURPOSE, Conversation, LiveState
from annotation.web.forms import read_answer, read_seconds
from annotation.web.live_port import LiveStore
from annotation.web.portal import Portal, PortalRoute, Sent, SentForm, SignedIn, ThePortal, TurnError, Visit
from governance.errors import RecordError

__all__ = ["ROUTER"]

_ID: Final = re.compile(r"t-[0-9a-f]{24}")
_LONGEST_REASON: Final = 2_000
_SAID: Final = frozenset({"live_stored", "live_none_left", "live_ended", "live_reported", "answered_before"})


ROUTER: Final = APIRouter(route_class=PortalRoute, include_in_schema=False)


@ROUTER.get("/portal/live")
def begin(portal: ThePortal, request: Request, visit: SignedIn) -> Response:
    live = _live(portal, visit)
    going = live.current(visit.person)
    if going is not None:
        return RedirectResponse(f"/portal/live/{going}", 303)
    return _begin_page(portal, visit, live, said=request.query_params.get("said", ""))


@ROUTER.post("/portal/live")
def first(portal: ThePortal, visit: Sent, form: SentForm) -> Response:
    live = _live(portal, visit)
    name = form.one("conversation") or ""
    if not _ID.fullmatch(name):
        raise HTTPException(404, "no conversation")
    return _say(portal, visit, live, name, form)


@ROUTER.get("/portal/live/{conversation}")
def read(portal: ThePortal, request: Request, visit: SignedIn, conversation: str) -> Response:
    live, found = _found(portal, visit, conversation)
    said = request.query_params.get("said", "")
    return _page(portal, visit, live, found, note=visit.language(said) if said in _SAID else None)


@ROUTER.get("/portal/live/{conversation}/state")
def state(portal: ThePortal, visit: SignedIn, conversation: str) -> Response:
    _, found = _found(portal, visit, conversation)
    return Response(found.state, media_type="text/plain", headers={"Cache-Control": "no-store"})


@ROUTER.post("/portal/live/{conversation}/say")
def say(portal: ThePortal, visit: Sent, conversation: str, form: SentForm) -> Response:
    live, _ = _found(portal, visit, conversation)
    return _say(portal, visit, live, conversation, form)


@ROUTER.post("/portal/live/{conversation}/ask")
def ask(portal: ThePortal, visit: Sent, conversation: str) -> Response:
    live, _ = _found(portal, visit, conversation)
    live.ask(visit.person, conversation)
    return RedirectResponse(f"/portal/live/{conversation}#last", 303)


@ROUTER.post("/portal/live/{conversation}/go-on")
def go_on(portal: ThePortal, visit: Sent, conversation: str) -> Response:
    live, _ = _found(portal, visit, conversation)
    live.go_on(visit.person, conversation, visit.now)
    return RedirectResponse(f"/portal/live/{conversation}#last", 303)


@ROUTER.post("/portal/live/{conversation}/end")
def end(portal: ThePortal, visit: Sent, conversation: str, form: SentForm) -> Response:
    live, _ = _found(portal, visit, conversation)
    reason = form.one("reason")
    live.end(
        visit.person, conversation, None if reason is None else reason.strip()[:_LONGEST_REASON], visit.now
    )
    return RedirectResponse(f"/portal/live?said=live_{'ended' if reason is None else 'reported'}", 303)


@ROUTER.post("/portal/live/{conversation}/{number}")
def judge(portal: ThePortal, visit: Sent, conversation: str, number: int, form: SentForm) -> Response:
    live, found = _found(portal, visit, conversation)
    turn = next((one for one in found.turns if one.number == number), None)
    if turn is None or turn.presentation is None:
        raise HTTPException(404, "no such turn")
    answer = read_answer(found.campaign.kind, form, places=len(turn.shown))
    try:
        outcome = live.judge(
            visit.person,
            conversation,
            number,
            answer,
            read_seconds(form),
            visit.now,
            ends=form.one("ends") == "1",
        )
    except RecordError:
        return _page(portal, visit, live, found, answer=answer, error=True, status=422)
    if outcome is Submitted.NO_CONSENT:
        raise TurnError("/portal/consent")
    said = "answered_before" if outcome is Submitted.ANSWERED_BEFORE else "live_stored"
    return RedirectResponse(f"/portal/live/{conversation}?said={said}#last", 303)


def _live(portal: Portal, visit: Visit) -> LiveStore:
    portal.require_ready(visit)
    if portal.live is None:
        raise HTTPException(404, "no conversations here")
    return portal.live


def _found(portal: Portal, visit: Visit, conversation: str) -> tuple[LiveStore, Conversation]:
    live = _live(portal, visit)
    found = live.read(visit.person, conversation, visit.now) if _ID.fullmatch(conversation) else None
    if found is None:
        raise HTTPException(404, "none of this person's")
    return live, found


def _say(portal: Portal, visit: Visit, live: LiveStore, conversation: str, form: SentForm) -> Response:
    text = form.one("message") or ""
    number = int(stated) if (stated := form.one("turn") or "").isdecimal() and len(stated) < 5 else 1
    try:
        said = live.say(visit.person, conversation, number, text, read_seconds(form), visit.now)
    except RecordError:
        found = live.read(visit.person, conversation, visit.now)
        if found is None:
            return _begin_page(portal, visit, live, message=text, error=True, status=422)
        return _page(portal, visit, live, found, message=text, error=True, status=422)
    if said.outcome == "no_consent":
        raise TurnError("/portal/consent")
    if said.outcome == "unknown":
        raise HTTPException(404, "none of this person's")
    if said.conversation is None:
        return RedirectResponse("/portal/live?said=live_none_left", 303)
    return RedirectResponse(f"/portal/live/{said.conversation}#last", 303)


def _begin_page(
    portal: Portal,
    visit: Visit,
    live: LiveStore,
    *,
    said: str = "",
    message: str = "",
    error: bool = False,
    status: int = 200,
) -> Response:
    state = portal.store.consent(visit.person)
    return portal.page(
        "live_begin.html",
        language=visit.language,
        visit=visit,
        here="live",
        agreed=state is not None and state.is_live(PURPOSE),
        left=live.left(visit.person),
        before=live.mine(visit.person),
        conversation="t-" + secrets.token_hex(12),
        longest=LONGEST_MESSAGE,
        message=message,
        error=error,
        note=visit.language(said) if said in _SAID else None,
        status=status,
    )


def _page(
    portal: Portal,
    visit: Visit,
    live: LiveStore,
    found: Conversation,
    *,
    answer: Mapping[str, Any] | None = None,
    message: str | None = None,
    error: bool = False,
    note: str | None = None,
    status: int = 200,
) -> Response:
    last = found.turns[-1]
    if found.state == LiveState.JUDGE and last.presented_at is None:
        live.show(visit.person, found.conversation, last.number, visit.now)
    if message is None:
        message = last.message if last.is_repeated else ""
    return portal.page(
        "live.html",
        language=visit.language,
        visit=visit,
        here="live",
        talk=found,
        last=last,
        # INVARIANT: nothing of an answer but its text reaches the page, in the order that was drawn.
        shown=[last.texts[place] for place in last.shown],
        came=len(last.texts),
        failed=bool(last.replies) and any(reply.error for reply in last.replies),
        next_number=last.number if last.is_repeated else last.number + 1,
        choices=ANSWERS,
        scores=SCORES,
        answer=answer or {},
        message=message,
        longest=LONGEST_MESSAGE,
        error=error,
        note=note,
        status=status,
    )
