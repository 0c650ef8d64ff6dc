"""A ceiling for request bodies, so that nobody fills the memory of the app."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.web.problem import problem

__all__ = ["MAX_BODY", "BodyLimit"]

MAX_BODY: Final = 1_048_576


class BodyLimit:
    """Answers 413 to a body that is larger, whether its length is declared or not."""

    def __init__(self, app: ASGIApp, *, most: int = MAX_BODY) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 15 or int(declared) > self._most:
            answer = problem(413, self._says, headers={"Connection": "close"})
            await answer(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._most:
                    # Raised where the app reads, so that its own handler answers.
                    raise HTTPException(413, self._says, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)

    @property
    def _says(self) -> str:
        return f"the body is larger than {self._most} bytes"
