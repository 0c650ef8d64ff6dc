"""What an OpenAI-compatible server sends back, read strictly: one JSON object, or a stream although none was asked.

A reply that is not a chat completion, or a stream that ends before it says so, is a :class:`WireError` with a
short reason that can be counted; nothing is guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Reply", "WireError", "read_reply"]

_EVENT_STREAM: Final = "text/event-stream"


class WireError(Exception):
    """The reply cannot be read; the message is the reason, without any of the reply's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of a model.

    Attributes:
        text: What it said; empty where it said nothing.
        finish: Why it stopped (``stop``, ``length``, ``content_filter``), where the server says.
        served: Name (and fingerprint) of what answered, as the server states it.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: str = ""
    served: str = ""


def read_reply(data: bytes, content_type: str = "") -> Reply:
    """The answer in a reply's body.

    Raises:
        WireError: Not a chat completion, or a stream that was cut off.
    """
    if content_type.partition(";")[0].strip().lower() == _EVENT_STREAM or data.startswith(b"data:"):
        return _streamed(data)
    try:
        return _whole(json.loads(data))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise WireError("the answer is not a chat completion") from error


def _whole(value: Any) -> Reply:
    choice = value["choices"][0]
    message = choice["message"]
    text = message["content"]
    if text is None:
        refusal = message.get("refusal")
        text = refusal if isinstance(refusal, str) else ""
    elif isinstance(text, list):  # parts, as newer servers write them
        text = "".join(part["text"] for part in text if part.get("type") in {"text", "output_text"})
    if not isinstance(text, str):
        raise WireError("the answer is not a text")
    return _reply(value, text, choice.get("finish_reason"))


def _reply(value: Any, text: str, finish: Any) -> Reply:
    usage = value.get("usage") or {}
    names = (value.get("model"), value.get("system_fingerprint"))
    return Reply(
        # A lone surrogate has no canonical form; it is replaced, not a crash.
        text=text.encode("utf-8", "replace").decode("utf-8"),
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        finish=finish if isinstance(finish, str) else "",
        served=" ".join(name for name in names if isinstance(name, str)),
    )


def _streamed(data: bytes) -> Reply:
    """Server-sent events: the pieces joined, if the stream says that it is complete."""
    pieces: list[str] = []
    finish, last, done = "", {}, False
    try:
        for line in data.decode("utf-8", "replace").splitlines():
            if not line.startswith("data:"):
                continue
            event = line.removeprefix("data:").strip()
            if event == "[DONE]":
                done = True
                break
            last = json.loads(event)
            for choice in last.get("choices", ())[:1]:
                pieces.append((choice.get("delta") or {}).get("content") or "")
                finish = choice.get("finish_reason") or finish
        if not done:
            raise WireError("the stream was cut off")
        return _reply(last, "".join(pieces), finish)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WireError("the stream was cut off") from error
