"""What every page shares: rendering, navigation, and headers that let a page load nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["STATIC", "Link", "Pages", "SecurityHeaders"]

_HERE = Path(__file__).parent
STATIC: Final = _HERE / "static"

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry of the navigation."""

    path: str
    label: str


class Pages:
    """Renders templates; undefined names are errors, everything is escaped.

    Args:
        navigation: Shown on top of every page, in this order.
    """

    def __init__(self, navigation: Sequence[Link]) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["navigation"] = tuple(navigation)

    def page(self, template: str, *, here: str, status: int = 200, **context: Any) -> HTMLResponse:
        """A page; ``here`` is its path, marked in the navigation."""
        text = self._environment.get_template(template).render(here=here, **context)
        return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})


class SecurityHeaders:
    """Adds the headers to every response, also to errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and the response back with its headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
