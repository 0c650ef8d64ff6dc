"""The labelling page: an item is reserved, its presentation is written, then it is shown, then it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from annotation.enrolment import Shown, Submitted
from annotation.label_config import ANSWERS
from annotation.labelling import ATTRIBUTES, SCORES, content_warning
from annotation.web.forms import has_content, read_answer, read_seconds
from annotation.web.portal import Portal, PortalRoute, Sent, SentForm, SignedIn, ThePortal, TurnError, Visit
from governance.errors import RecordError

__all__ = ["ROUTER"]

_LOOK_BACK: Final = timedelta(minutes=45)
_LONG: Final = timedelta(minutes=25)
_SAID: Final = frozenset({"stored", "skipped", "reported", "given_away", "answered_before"})
_LONGEST_REASON: Final = 2_000


ROUTER: Final = APIRouter(route_class=PortalRoute, include_in_schema=False)


@ROUTER.get("/portal/work")
def work(portal: ThePortal, request: Request, visit: SignedIn) -> Response:
    portal.require_ready(visit)
    said = request.query_params.get("said", "")
    note = visit.language(said) if said in _SAID else None
    shown = portal.store.reserve(visit.person, visit.now)
    if shown is None:
        progress = portal.store.progress(visit.person, visit.now)
        return portal.page(
            "thanks.html",
            language=visit.language,
            visit=visit,
            here="work",
            done=progress.done,
            meter=progress.meter,
            note=note,
        )
    warning = content_warning(shown.item)
    if warning is not None and shown.presented_at is None:
        return portal.page(
            "warning.html",
            language=visit.language,
            visit=visit,
            here="work",
            presentation=shown.presentation,
            topic=warning,
        )
    if shown.presented_at is None:
        portal.store.show(visit.person, shown.presentation, visit.now)
    return _work_page(portal, visit, shown, shown.draft or {}, note=note)


@ROUTER.post("/portal/work/{presentation}/show")
def reveal(portal: ThePortal, visit: Sent, presentation: str) -> Response:
    if portal.store.held(visit.person, presentation) is None:
        return RedirectResponse("/portal/work?said=given_away", 303)
    portal.store.show(visit.person, presentation, visit.now)
    return RedirectResponse("/portal/work", 303)


@ROUTER.post("/portal/work/{presentation}/draft")
def draft(portal: ThePortal, visit: Sent, presentation: str, form: SentForm) -> Response:
    shown = portal.store.held(visit.person, presentation)
    if shown is None:
        raise HTTPException(404, "not held")
    answer = read_answer(shown.kind, form, places=len(shown.order))
    kept = not has_content(answer) or portal.store.save_draft(visit.person, presentation, answer, visit.now)
    if not kept:
        raise HTTPException(404, "not held")
    if form.one("quiet") == "1":
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return RedirectResponse("/portal/work", 303)


@ROUTER.post("/portal/work/{presentation}/leave")
def leave(portal: ThePortal, visit: Sent, presentation: str, form: SentForm) -> Response:
    kind = "reported" if form.one("kind") == "reported" else "skipped"
    reason = (form.one("reason") or "").strip()[:_LONGEST_REASON] or None
    left = portal.store.leave(visit.person, presentation, kind, reason, visit.now)
    return RedirectResponse(f"/portal/work?said={kind if left else 'given_away'}", 303)


@ROUTER.post("/portal/work/{presentation}")
def submit(portal: ThePortal, visit: Sent, presentation: str, form: SentForm) -> Response:
    shown = portal.store.held(visit.person, presentation)
    places = len(shown.order) if shown else int(form.one("places") or 0)
    kind = shown.kind if shown else (form.one("kind") or "")
    try:
        answer = read_answer(kind, form, places=min(max(places, 0), 10))
        outcome = portal.store.submit(visit.person, presentation, answer, read_seconds(form), visit.now)
    except RecordError as error:
        if shown is None:
            raise HTTPException(404, "not held") from error
        return _work_page(portal, visit, shown, answer, error=error.field or "", status=422)
    if outcome is Submitted.UNKNOWN:
        raise HTTPException(404, "not this person's")
    if outcome is Submitted.NO_CONSENT:
        raise TurnError("/portal/consent")
    said = {Submitted.SAME: "stored"}.get(outcome, str(outcome))
    return RedirectResponse(f"/portal/work?said={said}", 303)


def _work_page(
    portal: Portal,
    visit: Visit,
    shown: Shown,
    answer: Mapping[str, Any],
    *,
    note: str | None = None,
    error: str | None = None,
    status: int = 200,
) -> Response:
    texts = {candidate["candidate"]: candidate["text"] for candidate in shown.item["candidates"]}
    progress = portal.store.progress(visit.person, visit.now - _LOOK_BACK)
    worked = timedelta(seconds=progress.lately)
    return portal.page(
        "work.html",
        language=visit.language,
        visit=visit,
        here="work",
        shown=shown,
        # INVARIANT: nothing of a candidate but its text reaches the page.
        answers=[texts[candidate] for candidate in shown.order],
        choices=ANSWERS,
        attributes=ATTRIBUTES,
        scores=SCORES,
        answer=answer,
        done=progress.done,
        note=note,
        error=error,
        meter=progress.meter,
        minutes=int(worked.total_seconds() // 60) if worked >= _LONG else None,
        status=status,
    )
