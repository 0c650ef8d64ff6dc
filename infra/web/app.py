"""Puts the platform's web app together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from infra.settings import Settings
from infra.web import start
from infra.web.counts import read_counts
from infra.web.pages import STATIC, Link, Pages, SecurityHeaders

__all__ = ["create_app"]


def create_app(settings: Settings, *, counts: Callable[[], Mapping[str, int]] | None = None) -> FastAPI:
    """The app of one installation.

    Args:
        settings: Where everything is.
        counts: Gives the figures of the picture on the start page, by the keys that ``start.STEPS`` names;
            a key that is not there is shown as not known. By default they are read from the database.
    """
    app = FastAPI(title="bounds", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    pages = Pages([Link(path="/", label="Overview")])
    app.include_router(start.router(settings, pages, counts or partial(read_counts, settings)))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    own = urlsplit(settings.web_url or "").hostname
    # A page elsewhere must not reach this app under a name of its own that resolves to loopback.
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", *([own] if own else [])]
    )
    app.add_middleware(SecurityHeaders)

    @app.exception_handler(HTTPException)
    def failed(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith("/v1/"):
            return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
        return pages.page(
            "error.html", here="", status=error.status_code, code=error.status_code, detail=error.detail
        )

    return app
