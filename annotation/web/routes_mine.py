"""My data: what is held of a person, to see, to take away, to change, and the way out."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from annotation.pay import Meter
from annotation.web.guards import clear_cookie
from annotation.web.portal import Portal, PortalRoute, Sent, SentForm, SignedIn, ThePortal, Visit

__all__ = ["ROUTER"]


ROUTER: Final = APIRouter(route_class=PortalRoute, include_in_schema=False)


@ROUTER.get("/portal/my-data")
def mine(portal: ThePortal, visit: SignedIn) -> Response:
    progress = portal.store.progress(visit.person, visit.now)
    return portal.page(
        "mine.html",
        language=visit.language,
        visit=visit,
        here="mine",
        text=portal.consent_text,
        state=portal.store.consent(visit.person),
        codebook=portal.codebook,
        given=portal.store.answers(visit.person),
        labels=_labels(portal, visit),
        done=progress.done,
        meter=progress.meter,
        conversations=portal.live.mine(visit.person) if portal.live else (),
    )


@ROUTER.get("/portal/my-data/download")
def download(portal: ThePortal, visit: SignedIn) -> Response:
    held = {
        "format": "bounds.my-data/1",
        "annotator": visit.person.annotator,
        "site": visit.person.site,
        "simulated": visit.person.simulated,
        "language": visit.person.locale,
        "enrolled_at": visit.person.created_at,
        "consent": [dict(event) for event in portal.store.consent_history(visit.person)],
        "codebook": portal.codebook.name,
        "answers": [
            {
                "field": one.field,
                "status": one.status,
                "value": one.value,
                "own_words": one.words,
                "at": one.at,
            }
            for _, one in sorted(portal.store.answers(visit.person).items())
        ],
        "time": _time(portal.store.progress(visit.person, visit.now).meter),
        "judgements": [dict(one) for one in portal.store.judgements(visit.person)],
        "conversations": [
            dict(one) for one in (portal.live.history(visit.person, visit.now) if portal.live else ())
        ],
    }
    return Response(
        json.dumps(held, indent=2, ensure_ascii=False, default=_plain) + "\n",
        media_type="application/json",
        headers={
            "Content-Disposition": 'attachment; filename="my-data.json"',
            "Cache-Control": "no-store",
        },
    )


@ROUTER.get("/portal/my-data/withdraw")
def ask(portal: ThePortal, visit: SignedIn) -> Response:
    return portal.page("withdraw.html", language=visit.language, visit=visit, here="mine", error=False)


@ROUTER.post("/portal/my-data/withdraw")
def withdraw(portal: ThePortal, visit: Sent, form: SentForm) -> Response:
    if form.one("sure") != "1":
        return portal.page(
            "withdraw.html", language=visit.language, visit=visit, here="mine", error=True, status=422
        )
    request = portal.store.withdraw(visit.person, visit.now)
    answer = portal.message("withdrawn", language=visit.language, note=request)
    clear_cookie(answer, secure=portal.secure)
    return answer


@ROUTER.post("/portal/my-data/language")
def read_in(portal: ThePortal, visit: Sent, form: SentForm) -> Response:
    portal.store.set_locale(visit.person, portal.languages.get(form.one("lang")).tag)
    return RedirectResponse("/portal/my-data", 303)


def _time(meter: Meter) -> dict[str, Any]:
    rate = meter.rate
    return {
        "seconds": meter.seconds,
        "per_hour": None if rate is None else str(rate.per_hour),
        "currency": None if rate is None else rate.currency,
        "amount": None if meter.amount is None else str(meter.amount),
    }


def _labels(portal: Portal, visit: Visit) -> dict[str, dict[str, str]]:
    """Field → value → what the person reads."""
    tag = visit.language.tag
    labels: dict[str, dict[str, str]] = {}
    for question in portal.codebook.fields:
        labels[question.id] = {c.id: c.label.get(tag) or c.label["en"] for c in question.categories}
        if question.type == "country":
            labels[question.id] = {code: n.get(tag) or n["en"] for code, n in portal.countries.items()}
    return labels


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
