"""A real HTTP server that speaks chat completions, and misbehaves on request, on an ephemeral port."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections import Counter
from contextlib import contextmanager

from aiohttp import web

_STEP = 0.25


class Stub:
    """Answers ``answer to <prompt>``; a prompt that begins with a fault's name gets that fault."""

    def __init__(self, delay=0.0):
        self.delay, self.url = delay, ""
        self.asked, self.in_flight, self.most_in_flight = Counter(), 0, 0
        self.storm_left, self.bodies = 0, []

    async def complete(self, request):
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        self.asked[prompt] += 1
        self.bodies.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._wait()
            return await self._reply(request, prompt, self.asked[prompt])
        finally:
            self.in_flight -= 1

    async def _wait(self):
        """As long as ``delay`` says; one that is taken back lets go within a moment."""
        whole = self.delay
        for step in range(max(1, math.ceil(whole / _STEP))):
            await asyncio.sleep(min(_STEP, whole - step * _STEP) if self.delay else 0)

    async def _reply(self, request, prompt, times):
        fault = prompt.split()[0]
        if self.storm_left > 0:
            self.storm_left -= 1
            return web.Response(status=429, headers={"Retry-After": "0.05"})
        if fault == "slow":
            await asyncio.sleep(5)
        if fault == "flapping" and times < 3:
            return web.Response(status=500)
        if fault == "dead":
            return web.Response(status=500)
        if fault == "forbidden":
            return web.Response(status=403)
        if fault == "moved":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})
        if fault == "nonsense":
            return web.Response(text="<html>not json</html>")
        if fault == "list":
            return web.json_response([1, 2])
        if fault == "huge":
            return web.json_response(message("x" * 5_000_000))
        if fault == "empty":
            return web.json_response(message(""))
        if fault == "null":
            return web.json_response(message(None))
        if fault == "surrogate":
            return web.Response(
                text='{"choices":[{"message":{"content":"a\\ud800b"}}]}', content_type="application/json"
            )
        if fault in {"stream", "cutstream"}:
            pieces = [{"choices": [{"delta": {"content": word}}]} for word in ("answer ", "in ", "pieces")]
            lines = [f"data: {json.dumps(piece)}" for piece in pieces]
            lines += ["data: [DONE]"] if fault == "stream" else []
            return web.Response(text="\n\n".join(lines), content_type="text/event-stream")
        if fault == "foreign":
            return web.json_response(
                message("Lo siento, no puedo ayudar con eso. \u0627\u0644\u0633\u0644\u0627\u0645")
            )
        if fault == "short":
            return web.json_response(message("cut", finish="length"))
        if fault == "truncated":
            reply = web.StreamResponse(headers={"Content-Length": "500"})
            await reply.prepare(request)
            await reply.write(b'{"choices": [')
            request.transport.close()
            return reply
        return web.json_response(message(f"answer to {prompt}"))


class SeveralModels(Stub):
    """Several models at one address: each answers in its own words, or with the fault that ``plan`` names for it."""

    def __init__(self, delay=0.0):
        super().__init__(delay)
        self.plan, self.says = {}, {}

    async def _reply(self, request, prompt, times):
        model = (await request.json())["model"]
        if model in self.plan:
            return await super()._reply(request, f"{self.plan[model]} fault", times)
        number = sum(body["model"] == model for body in self.bodies)
        return web.json_response(message(self.says.get(model, f"Words {number} of {model[-1]} on {prompt}")))


def message(text, finish="stop"):
    return {
        "model": "stub-1",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5},
    }


@contextmanager
def stub_endpoint(delay=0.0, kind=None):
    stub = (kind or Stub)(delay)
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    runner = None

    async def start():
        nonlocal runner
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", stub.complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()

    def serve():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
