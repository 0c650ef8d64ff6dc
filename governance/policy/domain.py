"""Allowed sets of values, and their meet.

A dimension's allowed set is one of four kinds. All arithmetic is exact: numbers are decimals with at most
six places and at most 10^9 in size, held as whole millionths, so that a bound never depends on rounding.

The laws everything else rests on: ``meet`` is commutative, associative and idempotent, and
``contains(meet(a, b), v) == contains(a, v) and contains(b, v)`` for sets of one kind; sets of different kinds
have nothing in common.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

__all__ = [
    "LARGEST",
    "MICRO",
    "Choices",
    "Domain",
    "Interval",
    "Nothing",
    "Phrases",
    "contains",
    "difference",
    "everything",
    "example",
    "fold_text",
    "from_micro",
    "grid_ends",
    "is_empty",
    "is_text",
    "meet",
    "nearest",
    "to_micro",
]

MICRO: Final = 1_000_000
LARGEST: Final = 1_000_000_000
_FILLERS: Final = "aeioubcdfghjklmnpqrstvwxyz0123456789 "
_INVISIBLE: Final = frozenset({"Cf", "Cc", "Mn"})


@dataclass(frozen=True, slots=True)
class Choices:
    """A finite set of words or truth values; ``excluding`` turns it into all but these."""

    kind: str  # "choice" (str members) or "flag" (bool members)
    values: frozenset[str | bool]
    excluding: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from ``low`` to ``high``, both allowed, that are whole multiples of ``step``; in millionths."""

    low: int = -LARGEST * MICRO
    high: int = LARGEST * MICRO
    step: int = 1
    kind: str = field(default="range", init=False)


@dataclass(frozen=True, slots=True)
class Phrases:
    """Text up to a length, without the declared phrases (``*`` stands for any text). No claim about meaning."""

    max_length: int = LARGEST
    forbidden: frozenset[str] = frozenset()
    kind: str = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class Nothing:
    """The empty set: no value is left."""

    kind: str = field(default="nothing", init=False)


Domain = Choices | Interval | Phrases | Nothing


def everything(kind: str) -> Domain:
    """The set that leaves out nothing of its kind."""
    match kind:
        case "range":
            return Interval()
        case "text":
            return Phrases()
        case "nothing":
            return Nothing()
        case _:
            return Choices(kind, frozenset(), excluding=True)


def to_micro(value: object) -> int | None:
    """``value`` in whole millionths, or None when it is not a number this engine can hold exactly."""
    if value.__class__ is int:
        return value * MICRO if -LARGEST <= value <= LARGEST else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not -LARGEST <= value <= LARGEST:  # also refuses NaN and the infinities
        return None
    micro = round(value * MICRO)
    # |micro| <= 10^15 < 2^53, so the division below is correctly rounded: equality means that the
    # decimal with six places is the very number that was written.
    return micro if micro / MICRO == value else None


def from_micro(micro: int) -> int | float:
    """The number that ``micro`` millionths stand for; whole numbers come back as int."""
    return micro // MICRO if micro % MICRO == 0 else micro / MICRO


def is_text(value: object) -> bool:
    """Whether ``value`` is a text that can be written down: half a surrogate pair cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def fold_text(text: str) -> str:
    """The form in which text is screened: compatibility-normalised, case-folded, invisible characters gone."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    visible = "".join(
        " " if char.isspace() else char
        for char in folded
        if char.isspace() or unicodedata.category(char) not in _INVISIBLE
    )
    return " ".join(visible.split())


def _holds_phrase(folded: str, phrase: str) -> bool:
    """Whether the parts of ``phrase`` between its stars occur in order; linear in the text."""
    start = 0
    for part in fold_text(phrase).split("*"):
        found = folded.find(part.strip(), start)
        if found < 0:
            return False
        start = found + len(part.strip())
    return True


def contains(domain: Domain, value: object) -> bool:
    """Whether ``value`` is allowed. A value of the wrong type is never allowed."""
    match domain:
        case Choices(kind=kind):
            if isinstance(value, bool) if kind == "flag" else isinstance(value, str):
                return (value in domain.values) is not domain.excluding
            return False
        case Interval():
            micro = to_micro(value)
            return micro is not None and domain.low <= micro <= domain.high and micro % domain.step == 0
        case Phrases():
            if not isinstance(value, str) or len(value) > domain.max_length or not is_text(value):
                return False
            folded = fold_text(value)
            return not any(_holds_phrase(folded, phrase) for phrase in domain.forbidden)
        case _:
            return False


def meet(one: Domain, other: Domain) -> Domain:
    """What both allow. Sets of different kinds have nothing in common."""
    match one, other:
        case Choices(), Choices() if one.kind == other.kind:
            return _meet_choices(one, other)
        case Interval(), Interval():
            return Interval(
                max(one.low, other.low), min(one.high, other.high), math.lcm(one.step, other.step)
            )
        case Phrases(), Phrases():
            return Phrases(min(one.max_length, other.max_length), one.forbidden | other.forbidden)
        case _:
            return Nothing()


def _meet_choices(one: Choices, other: Choices) -> Choices:
    if one.excluding and other.excluding:
        return Choices(one.kind, one.values | other.values, excluding=True)
    if one.excluding:
        return Choices(one.kind, other.values - one.values)
    if other.excluding:
        return Choices(one.kind, one.values - other.values)
    return Choices(one.kind, one.values & other.values)


def grid_ends(domain: Interval) -> tuple[int, int]:
    """The smallest and the largest allowed number in millionths; first > last when there is none."""
    return -(-domain.low // domain.step) * domain.step, domain.high // domain.step * domain.step


def nearest(domain: Interval, micro: int) -> int | None:
    """The allowed number nearest to ``micro``, the lower one of two; None when the set is empty.

    Worked: multiples of 5 from 10 to 30: 3 → 10, 47 → 30, 12 → 10, 13 → 15, 12.5 → 10.
    """
    first, last = grid_ends(domain)
    if first > last:
        return None
    below = micro // domain.step * domain.step
    chosen = below if micro - below <= below + domain.step - micro else below + domain.step
    return min(max(chosen, first), last)


def example(domain: Domain) -> str | bool | int | float | None:
    """A member of the set, or None when it is empty (or all but a few words: then any new word would do)."""
    match domain:
        case Choices():
            if domain.excluding:
                return None
            return min(domain.values, default=None)
        case Interval():
            first, last = grid_ends(domain)
            return from_micro(first) if first <= last else None
        case Phrases():
            return next((text for text in _texts(domain) if contains(domain, text)), None)
        case _:
            return None


def is_empty(domain: Domain) -> bool:
    """Whether no value is left."""
    match domain:
        case Choices():
            return not domain.excluding and not domain.values
        case Interval():
            first, last = grid_ends(domain)
            return first > last
        case Phrases():
            return domain.max_length < 0
        case _:
            return True


def difference(one: Domain, other: Domain) -> str | bool | int | float | None:
    """A value that ``one`` allows and ``other`` does not: the witness of a change; None when there is none.

    Exact for choices, flags and ranges. For text the witness is searched among texts built from the
    length limits and the phrases of both sides.
    """
    if is_empty(one):
        return None
    return next(
        (value for value in _candidates(one, other) if contains(one, value) and not contains(other, value)),
        None,
    )


def _candidates(one: Domain, other: Domain) -> Iterator[str | bool | int | float]:
    match one:
        case Choices():
            same = other if isinstance(other, Choices) and other.kind == one.kind else None
            named = one.values | (same.values if same else frozenset())
            yield from sorted(named)
            if one.kind == "flag":
                yield from (False, True)
            else:  # a word that neither side names
                fresh = "x" * (1 + max((len(str(word)) for word in named), default=0))
                yield fresh
                if isinstance(other, Phrases):
                    # Where the other wants text: one that is too long, and ones that hold a phrase.
                    if other.max_length < LARGEST:
                        yield fresh + "x" * other.max_length
                    for phrase in sorted(other.forbidden):
                        yield f"{fresh} {phrase.replace('*', '')}"
        case Interval():
            # If the ends of one lie in other, so does everything between, unless other's step is coarser;
            # then it shows at one of the first two members.
            first, last = grid_ends(one)
            for micro in (first, last, first + one.step):
                yield from_micro(micro)
        case Phrases():
            yield from _texts(one)
            if isinstance(other, Phrases):
                yield from _texts(other, longest=one.max_length)


def _texts(domain: Phrases, *, longest: int | None = None) -> Iterator[str]:
    yield ""
    limit = domain.max_length if longest is None else longest
    for filler in _FILLERS:
        if domain.max_length < LARGEST:
            yield filler * min(limit, domain.max_length + 1)
        for phrase in sorted(domain.forbidden):
            yield phrase.replace("*", "")
            yield phrase.replace("*", filler)
            yield phrase.replace("*", f" {filler} ")
