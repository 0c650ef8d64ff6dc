"""Measure the policy service: requests per second and p99 of ``POST /v1/resolve`` against a bare FastAPI route.

Run ``python -m benchmarks.policy_service``. Each app runs in a process of its own with one worker; the load
comes from one asyncio client over kept-alive connections, so both are measured with the same overhead. The
routes take turns in short rounds, so that other work on the machine hits all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import socket
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from infra.settings import Settings
from infra.web.app import create_app
from infra.web.keys import ApiKeys

PROFILE = {"wishes": {"tone": "playful", "warmth": 9, "emoji": True}, "context": {"age_band": "adult"}}
BODIES: dict[str, tuple[str, Any]] = {
    "bare route": ("/bare", PROFILE),
    "resolve, settings only": ("/v1/resolve", PROFILE | {"include": []}),
    "resolve, with everything": ("/v1/resolve", PROFILE),
    "resolve, 100 profiles": ("/v1/resolve", {"profiles": [PROFILE] * 100}),
}


def bare() -> FastAPI:
    app = FastAPI()

    @app.post("/bare")
    async def answer(request: Request) -> Response:
        return Response(json.dumps(await request.json()), media_type="application/json")

    return app


def serve(kind: str, home: str, pack: str, listener: socket.socket) -> None:
    app = bare() if kind == "bare" else create_app(Settings(home=Path(home), policy=pack))
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run([listener])


async def load(port: int, path: str, body: Any, key: str, seconds: float, connections: int) -> list[float]:
    """Seconds of every answer, over ``connections`` kept-alive connections."""
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode()
    until = time.perf_counter() + seconds
    taken: list[float] = []

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(head + data)
            answered = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in answered[:16]:
                raise RuntimeError(answered.decode())
            length = next(x for x in answered.lower().split(b"\r\n") if x.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            taken.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(caller() for _ in range(connections)))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6, help="for each route")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pack", default="companion")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        key = ApiKeys(Path(home)).create("benchmark", scopes=["resolve"], now=datetime.now(UTC))
        ports = {}
        for kind in ("bare", "service"):
            listener = stack.enter_context(
                # the protocol is named, so that asyncio switches off the delay of small packets
                socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            )
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            ports[kind] = listener.getsockname()[1]
            process = multiprocessing.get_context("fork").Process(
                target=serve, args=(kind, home, options.pack, listener), daemon=True
            )
            process.start()
            stack.callback(process.join)
            stack.callback(process.terminate)
        rounds = 3
        taken: dict[str, list[float]] = {name: [] for name in BODIES}
        for turn in range(rounds + 1):
            for name, (path, body) in BODIES.items():
                port = ports["bare" if name == "bare route" else "service"]
                seconds = options.seconds / rounds if turn else 0.3
                found = asyncio.run(load(port, path, body, key, seconds, options.connections))
                if turn:  # the first turn warms up
                    taken[name] += found
    print(
        f"pack {options.pack}, {options.connections} connections, one worker, {options.seconds:g} s a route"
    )
    for name, found in taken.items():
        ordered = sorted(found)
        p50, p99 = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
        rate = len(found) / options.seconds
        print(f"{name:28} {rate:8.0f} requests/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")


if __name__ == "__main__":
    main()
