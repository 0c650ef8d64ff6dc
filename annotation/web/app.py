"""The portal's routes, put together; ``infra.web.app`` mounts them."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from annotation.web import routes_join, routes_live, routes_mine, routes_work
from annotation.web.portal import STATIC, Portal

__all__ = ["mount_portal"]


def mount_portal(app: FastAPI, portal: Portal) -> None:
    """Put everything under ``/join`` and ``/portal`` into an app.

    The app adds the headers that keep a page from loading anything from elsewhere, and the ceiling for bodies.
    """
    app.state.portal = portal
    for routes in (routes_join, routes_work, routes_live, routes_mine):
        app.include_router(routes.ROUTER)
    app.mount("/portal/static", StaticFiles(directory=STATIC), name="portal-static")
