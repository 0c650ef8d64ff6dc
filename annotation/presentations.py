"""Presentations: which answer is shown first, to whom-ever takes the slot, decided before anything is shown.

A presentation is one showing of one item: ``(item, slot)`` with ``slot`` from 0 to ``overlap - 1``. The order
of the candidates is drawn per item from a seed and turned round at every other slot, so that

- over items, each candidate stands first half of the time (a fair, seeded coin),
- over the slots of one item, the two orders differ in number by at most one (counterbalanced),
- the same input gives the same order on every machine and after every restart.

Position bias in pairwise judgement is large enough to matter, and it does not vanish by instruction;
counterbalancing lets it be measured and cancels it in the mean. See the module's test for the laws.

The person sees the text of :func:`task_data` only: no model, no canonical order, no digest of the item.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from annotation.records import Source
from governance.digest import digest
from governance.errors import RecordError

__all__ = [
    "FIRST_PORTAL_SLOT",
    "least_used_order",
    "make_presentations",
    "presentation_id",
    "render_prompt",
    "shown_order",
    "task_data",
]

FIRST_PORTAL_SLOT: Final = 1000
"""Slots below are written before anybody comes, for Label Studio; the portal's are written one by one."""

_SPEAKER: Final = {"system": "System", "user": "User", "assistant": "Assistant"}
# An image or an HTML tag would be fetched by the annotator's browser from a stranger's server. A zero-width
# space after its first character makes it plain text that looks the same, in prose and in code alike.
_ACTIVE: Final = re.compile(r"!(?=\[)|<(?=[A-Za-z/!?])")
_INERT: Final = "\\g<0>\N{ZERO WIDTH SPACE}"


def presentation_id(site: str, item: str, slot: int) -> str:
    """Opaque id of the showing of ``item`` in ``slot`` at ``site``; says nothing of the order."""
    return "p-" + digest(["presentation", site, item, slot]).removeprefix("sha256:")[:24]


def shown_order(candidates: Sequence[str], *, item: str, slot: int, seed: int) -> list[str]:
    """The two candidates in the order in which ``slot`` of ``item`` shows them.

    The coin is the lowest bit of SHA-256 over seed and item, exclusive-or the slot's parity.

    Raises:
        RecordError: Not exactly two candidates.
    """
    if len(candidates) != 2:
        raise RecordError(
            "a pairwise presentation needs two candidates", field=item, value=len(candidates), expected="2"
        )
    coin = hashlib.sha256(f"order:{seed}:{item}".encode()).digest()[-1] & 1
    return list(candidates) if coin ^ (slot & 1) == 0 else [candidates[1], candidates[0]]


def least_used_order(
    candidates: Sequence[str], *, item: str, used: Iterable[Sequence[str]], seed: int
) -> list[str]:
    """The order in which the next person sees the candidates: the one that fewest have seen so far.

    The orders are the rotations of one permutation drawn per item from the seed, so that every candidate
    stands in every place equally often: over any number of showings, two orders differ in number by at most
    one as long as no showing is taken back.

    Args:
        candidates: Two or more candidate ids, in canonical order.
        item: The item, part of the draw.
        used: The orders shown so far that count.
        seed: Seed of the draw.

    Raises:
        RecordError: Fewer than two candidates.
    """
    if len(candidates) < 2:
        raise RecordError(
            "nothing to compare", field=item, value=len(candidates), expected="two or more candidates"
        )
    drawn = sorted(candidates, key=lambda one: hashlib.sha256(f"order:{seed}:{item}:{one}".encode()).digest())
    rotations = [drawn[start:] + drawn[:start] for start in range(len(drawn))]
    seen = Counter(tuple(order) for order in used)
    return min(rotations, key=lambda order: seen[tuple(order)])


def make_presentations(
    items: Iterable[Mapping[str, Any]],
    *,
    site: str,
    overlap: int,
    seed: int,
    config_digest: str,
    policy_digest: str | None,
    consent: str | None,
    now: datetime,
    source: str = Source.LABEL_STUDIO,
) -> list[dict[str, Any]]:
    """The presentation rows of items, ``overlap`` for each, in item order then slot.

    Args:
        items: ``ITEMS`` rows with two candidates.
        site: Place of collection.
        overlap: Judgements wanted per item.
        seed: Seed of the order.
        config_digest: Digest of the page that will show them.
        policy_digest: Digest of the effective policy.
        consent: Consent text that the judgements will be given under.
        now: Time the rows are written; aware.
        source: Where they will be shown.
    """
    return [
        {
            "presentation": presentation_id(site, item["item"], slot),
            "site": site,
            "item": item["item"],
            "item_digest": item["digest"],
            "slot": slot,
            "shown": shown_order(_candidates(item), item=item["item"], slot=slot, seed=seed),
            "config_digest": config_digest,
            "policy_digest": policy_digest,
            "consent": consent,
            "created_at": now,
            "source": str(source),
            "source_ref": None,
        }
        for item in items
        for slot in range(overlap)
    ]


def _candidates(item: Mapping[str, Any]) -> list[str]:
    return [candidate["candidate"] for candidate in item["candidates"]]


def render_prompt(turns: Sequence[Mapping[str, str]]) -> str:
    """The conversation as Markdown; a single user turn stands alone, more carry their speaker."""
    if len(turns) == 1 and turns[0]["role"] == "user":
        return _inert(turns[0]["content"])
    return "\n\n".join(
        f"**{_SPEAKER.get(turn['role'], turn['role'])}**\n\n{_inert(turn['content'])}" for turn in turns
    )


def task_data(presentation: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, str]:
    """What the person's browser receives: the opaque id and three texts, nothing else.

    Raises:
        RecordError: The presentation is not one of this item's.
    """
    texts = {candidate["candidate"]: candidate["text"] for candidate in item["candidates"]}
    if presentation["item"] != item["item"] or set(presentation["shown"]) != set(texts):
        raise RecordError(
            "presentation and item do not belong together",
            field=presentation["presentation"],
            value=item["item"],
            expected=presentation["item"],
        )
    first, second = presentation["shown"]
    return {
        "presentation": presentation["presentation"],
        "prompt": render_prompt(item["prompt"]),
        "first": _inert(texts[first]),
        "second": _inert(texts[second]),
    }


def _inert(text: str) -> str:
    return _ACTIVE.sub(_INERT, text)
