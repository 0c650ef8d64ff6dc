"""The pages of a model: which version carried which alias, and what is known of each decided version.

``/models`` says of each model what carries an alias now, ``/models/<model>`` is its history, ``/models/<model>/<version>``
the evidence of one version with the approvals it has and lacks, and ``report.html`` below it the audit's report with its
figures. An approval is a signature: it is made in the browser with a key that never leaves it (``approve.js``) and is judged
here like any other; nobody is logged in and nothing else is believed.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from governance.audit.statistics import Verdict
from governance.decision import Decision
from governance.errors import BoundsError, OutsideError, RefusedError
from governance.promotion import AUDITOR
from governance.provenance import Envelope, EnvelopeError, Trust, TrustedKey
from infra import ledger
from infra.approvals import given, take
from infra.database import Database, open_database
from infra.history import history
from infra.settings import Settings
from infra.trust import current_trust
from infra.waiting import wake
from infra.waivers import waivers_of
from infra.web.evidence import beside_champions, mlflow_address
from infra.web.pages import Pages
from infra.web.reports import Reports
from infra.web.standing import standings
from infra.withdrawals import flagged_releases

__all__ = ["PATH", "router"]

PATH: Final = "/models"
_LARGEST: Final = 4 * 2**20


def router(settings: Settings, pages: Pages) -> APIRouter:
    """The routes under ``/models``."""
    routes = APIRouter(include_in_schema=False)
    reports = Reports(settings)

    @contextmanager
    def opened() -> Iterator[tuple[Database, Trust, datetime]]:
        now = datetime.now(UTC)
        with open_database(settings, now=now) as db:
            yield db, current_trust(settings, db, now), now

    @routes.get(PATH, response_class=HTMLResponse)
    def models() -> HTMLResponse:
        with opened() as (db, _, now):
            rows = standings(db, now)
        return pages.page("models.html", here=PATH, rows=rows)

    @routes.get(PATH + "/{model}", response_class=HTMLResponse)
    def model_history(model: str) -> HTMLResponse:
        with opened() as (db, trust, _):
            stays = history(db, model, trust=trust)
            decided = [row for row in ledger.decisions(db) if row.model == model]
            refused = [
                row for row in ledger.promotions(db) if row.model == model and row.outcome == "refused"
            ]
        if not stays and not decided and not refused:
            raise HTTPException(404, f"Nothing is recorded about a model named {model}.")
        newest = {row.version: row for row in decided}
        return pages.page(
            "model_history.html",
            here=PATH,
            model=model,
            stays=stays,
            decided=list(newest.values())[::-1],
            refused=refused[::-1][:20],
        )

    @routes.get(PATH + "/{model}/{version}", response_class=HTMLResponse)
    def model_version(model: str, version: str) -> HTMLResponse:
        with opened() as (db, trust, now):
            row = _newest(db, model, version)
            view = _view(db, row, trust, now) | {"mlflow": mlflow_address(settings, model, version)}
        has_report = reports.has(view["decision"].audit)
        return pages.page(
            "model_version.html", here=PATH, model=model, version=version, has_report=has_report, **view
        )

    @routes.get(PATH + "/{model}/{version}/{name}")
    def report(model: str, version: str, name: str) -> Response:
        with opened() as (db, _, _now):
            decision = _decision(_newest(db, model, version))
        return reports.response(decision.audit, name)

    @routes.post(PATH + "/{model}/{version}/approvals")
    async def approve(model: str, version: str, request: Request) -> JSONResponse:
        body = await request.body()
        if len(body) > _LARGEST:
            raise HTTPException(413, "The approval is too large.")

        def taken() -> TrustedKey:
            with opened() as (db, trust, now):
                row = _newest(db, model, version)
                key = take(db, row.envelope.encode(), body, trust=trust, now=now)
            with contextlib.suppress(
                OutsideError
            ):  # the approval is taken; the sweep wakes whoever waits for it
                wake(settings.prefect_api_url, model, version)
            return key

        try:
            key = await run_in_threadpool(taken)
        except RefusedError as error:
            return JSONResponse({"reasons": list(error.reasons)}, 409)
        except BoundsError as error:
            return JSONResponse({"reasons": [error.diagnostics()]}, 503)
        return JSONResponse({"person": key.person, "roles": sorted(key.roles)})

    return routes


def _newest(db: Database, model: str, version: str) -> ledger.Decision:
    rows = [row for row in ledger.decisions(db) if (row.model, row.version) == (model, version)]
    if not rows:
        raise HTTPException(404, f"Nothing was decided about {model} version {version}.")
    return rows[-1]


def _decision(row: ledger.Decision) -> Decision:
    try:
        return Decision.from_envelope(row.envelope.encode())
    except EnvelopeError as error:
        raise HTTPException(500, f"The recorded decision is damaged: {error}") from error


def _view(db: Database, row: ledger.Decision, trust: Trust, now: datetime) -> dict[str, Any]:
    data, decision = row.envelope.encode(), _decision(row)
    envelope = Envelope.parse(data)
    auditors = {
        key.person for keyid, _ in envelope.signatures if (key := trust.key(keyid)) and AUDITOR in key.roles
    }
    approvals = [_approval(each.keyid, each.at, trust, now) for each in given(db, data)]
    needs = []
    for need in decision.approvals:
        persons = {a["person"] for a in approvals if a["counts"] and set(a["roles"]) & need.roles} - auditors
        needs.append(
            {"roles": " or ".join(sorted(need.roles)), "threshold": need.threshold, "given": len(persons)}
        )
    return {
        "waivers": waivers_of(db, trust, now, decision),
        "beside": beside_champions(db, decision, trust),
        "decision": decision,
        "findings": sorted(decision.findings, key=lambda each: Verdict(each["verdict"]).place),
        "withdrawn": len(flagged_releases(db).get(decision.release or "", ())),
        "digest": row.digest,
        "auditors": sorted(auditors),
        "approvals": approvals,
        "needs": needs,
        "is_expired": now >= decision.expires,
        "payload": base64.b64encode(envelope.payload).decode(),
        "payload_type": envelope.payload_type,
    }


def _approval(keyid: str, at: datetime, trust: Trust, now: datetime) -> dict[str, Any]:
    key = trust.key(keyid)
    counts = key is not None and key.is_valid(now) and keyid not in trust.revoked
    return {
        "person": key.person if key else keyid,
        "roles": sorted(key.roles) if key else [],
        "at": at,
        "counts": counts,
    }
