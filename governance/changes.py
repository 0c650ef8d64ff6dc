"""What one decision says otherwise than another about the same model: for whoever asks what changed since the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.decision import Decision

__all__ = ["Change", "changes", "unchanged"]

_NOTHING = "not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is otherwise: what it is, how it was and how it is now, as people read it."""

    what: str
    before: str
    after: str


def changes(before: Decision, after: Decision) -> tuple[Change, ...]:
    """What differs: findings first, those that do not pass now before the others, then policies, release and files.

    A finding differs where its verdict or its first reason does; confidence in the same counts is no change.
    """
    old, new = _findings(before), _findings(after)
    differing = [key for key in {**new, **old} if old.get(key) != new.get(key)]
    differing.sort(key=lambda key: (new.get(key, "").startswith("PASS"), key))
    found = [
        Change(what=" ".join(key), before=old.get(key, _NOTHING), after=new.get(key, _NOTHING))
        for key in differing
    ]
    for what, pair in (
        ("policies", (_policies(before), _policies(after))),
        ("release", (before.release or "not known", after.release or "not known")),
        ("files", (before.artifact, after.artifact)),
    ):
        if pair[0] != pair[1]:
            found.append(Change(what=what, before=pair[0], after=pair[1]))
    return tuple(found)


def unchanged(before: Decision, after: Decision) -> int:
    """How many findings of ``after`` say what they said before."""
    old = _findings(before)
    return sum(old.get(key) == said for key, said in _findings(after).items())


def _findings(decision: Decision) -> dict[tuple[str, str], str]:
    return {(str(row["rule"]), str(decision.about(row))): _said(row) for row in decision.findings}


def _said(row: Mapping[str, Any]) -> str:
    reasons = row["reasons"]
    return f"{row['verdict']}: {reasons[0]}" if reasons else str(row["verdict"])


def _policies(decision: Decision) -> str:
    return ", ".join(f"{policy['id']} {policy['version']}" for policy in decision.policies)
