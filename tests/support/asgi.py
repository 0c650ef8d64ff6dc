"""Asks an app without a server, one request after the other."""

import asyncio

import httpx


class Client:
    """A caller of ``app`` on loopback, with these headers on every request."""

    def __init__(self, app, *, headers=None, host="127.0.0.1"):
        self.app = app
        self.headers = headers or {}
        self.base = f"http://{host}"

    def request(self, method, path, *, headers=None, **options):
        async def ask():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
                return await client.request(
                    method, path, headers=httpx.Headers({**self.headers, **(headers or {})}), **options
                )

        return asyncio.run(ask())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


async def in_pieces(*pieces):
    """A body whose length is not declared."""
    for piece in pieces:
        yield piece
