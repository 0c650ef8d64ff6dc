"""Feedback as an application sends it."""

from __future__ import annotations

from typing import Any


def said(*, answers: int = 2, number: int = 1, **over: Any) -> dict[str, Any]:
    return {
        "event": f"event-{number:06}",
        "user": "u-1",
        "consent": "terms-1",
        "policy_digest": "sha256:" + "0" * 64,
        "at": "2026-03-01T12:00:00Z",
        "language": "en",
        "prompt": [{"role": "user", "content": f"question {number}"}],
        "answers": [
            {"text": f"answer {n}", "model": {"name": "m", "version": str(n)}} for n in range(1, answers + 1)
        ],
        **over,
    }
