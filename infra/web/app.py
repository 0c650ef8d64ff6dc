"""Puts the platform's web app together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from annotation.web.app import mount_portal
from annotation.web.portal import Portal
from infra.policy_cache import PolicyCache
from infra.settings import Settings
from infra.web import batches, catalogue, feedback_api, hooks, models, policy_api, quotas, start
from infra.web.counts import read_counts
from infra.web.keys import ApiKeys
from infra.web.limits import BodyLimit
from infra.web.pages import STATIC, Link, Pages, SecurityHeaders
from infra.web.problem import problem, validation_problem

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    *,
    counts: Callable[[], Mapping[str, int]] | None = None,
    policies: PolicyCache | None = None,
    portal: Callable[[PolicyCache], Portal] | None = None,
) -> FastAPI:
    """The app of one installation.

    Args:
        settings: Where everything is.
        counts: Gives the figures of the picture on the start page, by the keys that ``start.STEPS`` names;
            a key that is not there is shown as not known. By default they are read from the database.
        policies: The policy stack; by default the one the settings name, read from its files.
        portal: Makes the portal for the people who judge; none by default.
    """
    stack = policies or PolicyCache(
        settings.policy, jurisdictions=settings.jurisdictions, application=settings.application
    )
    app = FastAPI(title="bounds", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    pages = Pages(
        [
            Link(path="/", label="Overview"),
            Link(path=catalogue.PATH, label="Policies"),
            Link(path=batches.PATH, label="Batches"),
            Link(path=quotas.PATH, label="Quotas"),
            Link(path=models.PATH, label="Models"),
        ]
    )
    app.include_router(start.router(settings, pages, counts or partial(read_counts, settings), stack.as_json))
    app.include_router(catalogue.router(stack, pages, profiles=settings.profiles))
    app.include_router(models.router(settings, pages))
    keys = ApiKeys(settings.home)
    app.include_router(policy_api.router(stack, keys))
    app.include_router(feedback_api.router(settings, keys))
    app.include_router(batches.router(settings, pages))
    app.include_router(quotas.router(settings, pages))
    app.include_router(hooks.router(settings))
    if portal is not None:
        mount_portal(app, portal(stack))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    own = urlsplit(settings.web_url or "").hostname
    # A page elsewhere must not reach this app under a name of its own that resolves to loopback.
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", *([own] if own else [])]
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)

    @app.exception_handler(HTTPException)
    def failed(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith("/v1/"):
            return problem(error.status_code, error.detail, headers=error.headers)
        return pages.page(
            "error.html", here="", status=error.status_code, code=error.status_code, detail=error.detail
        )

    @app.exception_handler(RequestValidationError)
    def misshapen(_request: Request, error: RequestValidationError) -> Response:
        return validation_problem(error)

    return app
