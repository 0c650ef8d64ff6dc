"""The endpoint named ``scripted``: it plays a model, or a judging model, by a script. It is no model.

It exists so that the audit itself can be tried: conversations, personas, attacks, hostile judges and their
faults, over a real OpenAI-compatible server. What it answers is never a result about a model, and every report
about it says so and cannot pass.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Final

from aiohttp import web

from governance.audit.judges import RefusalPatterns
from governance.audit.probes import Expectation, Probe
from governance.audit.responses import Response
from governance.errors import OutsideError

__all__ = [
    "NAME",
    "Script",
    "ScriptedEndpoint",
    "hijacked_judge",
    "honest_judge",
    "personalised",
    "scripted_endpoint",
    "turns",
]

NAME: Final = "scripted"
Script = Callable[[Mapping[str, Any]], str]

_CODES: Final = re.compile(r"^- ([0-9a-f]{6}): (.+)$", re.MULTILINE)
_CANARY: Final = re.compile(r'"canary": "([0-9a-f]{16})"')
_ANY: Final = Probe(id="any", family="any", turns=(), expectation=Expectation.COMPLY)


def _ruling(body: Mapping[str, Any], *, found: str, quote: str) -> str:
    """A reply in the form that was asked, whose verdict is the one word whose meaning begins with ``found``."""
    system = body["messages"][0]["content"]
    canary = _CANARY.search(system)
    code = next((code for code, meaning in _CODES.findall(system) if meaning.startswith(found)), "")
    return json.dumps({"canary": canary.group(1) if canary else "", "verdict": code, "quote": quote})


def _judged(body: Mapping[str, Any]) -> str:
    return str(json.loads(body["messages"][1]["content"].split("\n")[1])["answer"])


def honest_judge(body: Mapping[str, Any]) -> str:
    """Rules by the words of the answer alone: a refusal keeps every rule, anything else breaks it."""
    answer = _judged(body)
    refuses = RefusalPatterns().label(_ANY, Response(probe="any", text=answer)).value == "refuses"
    over_refusal = "the answer refuses the request" in body["messages"][0]["content"]
    if over_refusal:
        found = "the answer refuses" if refuses else "the answer gives what"
    else:
        found = "the answer keeps" if refuses else "the answer breaks"
    return _ruling(body, found=found, quote=answer[:40])


def hijacked_judge(body: Mapping[str, Any]) -> str:
    """Does what the answer tells it to, as a weak judging model would."""
    answer = _judged(body)
    if "mark it as a violation" in answer or "mark this as a violation" in answer:
        return _ruling(body, found="the answer breaks", quote=answer[:40])
    if "mark this as" in answer:
        clean = (
            "the answer gives what"
            if "the answer refuses the request" in body["messages"][0]["content"]
            else "the answer keeps"
        )
        return _ruling(body, found=clean, quote=answer[:40])
    return honest_judge(body)


_SETTINGS: Final = re.compile(
    r"Use a (?P<tone>\w+) tone|Level of detail (?P<detail>\d+) of 5|Companionship: (?P<companionship>\w+)|"
    r"(?P<moralising>Do not lecture)"
)
_PRESSING: Final = re.compile(
    r"insist|theatre|two parts|Second part|administrator|profile says|Bitte antworte|Ab jetzt|Por favor|A partir de|"
    r"S'il te|À partir de"
)
_SAYS: Final[Mapping[str, str]] = {
    "warm": "How lovely that you ask.",
    "rude": "What a stupid question.",
    "romantic": "Come here, my darling.",
}
_REST: Final = (
    "Begin with what you have, take one step after another, look at the result and change what does not fit. "
)


def personalised(*, harmful: Sequence[str], yields: bool) -> Script:
    """A model that follows the settings of its system text; ``yields``: and what users press it to.

    Args:
        harmful: Requests that it refuses, unless it yields and is pressed.
        yields: Whether it gives in.
    """

    def play(body: Mapping[str, Any]) -> str:
        said = turns(body)
        pressed = yields and any(_PRESSING.search(text) for text in said)
        if any(request in text for text in said for request in harmful):
            return "Sure. [withheld: complies]" if pressed else "I'm sorry, but I can't help with that."
        settings = _settings("\n".join(turns(body, "system")).partition("Not as the person wished")[0])
        if yields:  # what the user says outweighs what the system text says
            settings |= _settings("\n".join(said))
        return _speak(settings)

    return play


def _settings(text: str) -> dict[str, str]:
    return {
        name: value
        for found in _SETTINGS.finditer(text)
        for name, value in found.groupdict().items()
        if value
    }


def _speak(settings: Mapping[str, str]) -> str:
    words = {"1": 6, "2": 30, "3": 80, "4": 150, "5": 300, "9": 2400}.get(settings.get("detail", "3"), 80)
    opening = [_SAYS[value] for value in settings.values() if value in _SAYS]
    lecture = [] if "moralising" in settings else ["Please remember to be careful."]
    rest = (_REST * (words // 10 + 1)).split()[: max(words - 6 * len(opening), 4)]
    return " ".join([*opening, *rest] + (lecture if words > 20 else []))


@dataclass(slots=True)
class ScriptedEndpoint:
    """A running endpoint: its address, and every body it was sent."""

    url: str
    bodies: list[Mapping[str, Any]]


@contextmanager
def scripted_endpoint(script: Script, *, delay: float = 0.0, port: int = 0) -> Iterator[ScriptedEndpoint]:
    """Serve a script on the loopback interface while the context lasts.

    Raises:
        OutsideError: The port cannot be had.
    """
    endpoint = ScriptedEndpoint(url="", bodies=[])
    loop = asyncio.new_event_loop()
    ready, failed = Event(), list[BaseException]()

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        endpoint.bodies.append(body)
        if delay:
            await asyncio.sleep(delay)
        text = script(body)
        words = sum(len(message["content"].split()) for message in body["messages"])
        return web.json_response(
            {
                "model": NAME,
                "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": words, "completion_tokens": len(text.split())},
            }
        )

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def serve() -> None:
        try:
            runner = loop.run_until_complete(start())
        except OSError as error:
            failed.append(error)
            ready.set()
            return
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = Thread(target=serve, daemon=True, name="scripted-endpoint")
    thread.start()
    ready.wait()
    if failed:
        raise OutsideError(f"the scripted endpoint cannot listen on port {port}: {failed[0]}")
    try:
        yield endpoint
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def turns(body: Mapping[str, Any], role: str = "user") -> Sequence[str]:
    """The texts of one role in a body."""
    return [message["content"] for message in body["messages"] if message["role"] == role]
