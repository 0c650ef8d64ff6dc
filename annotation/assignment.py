"""Who sees what next: quotas of people from population targets, overlap per item, order balanced within a group.

A **plan** is data: the cells of strata (say age band by gender) with their share of the population, how many
judgements an item gets, and the policy for gold and attention items, limits and pay. From it follow

* the *target* of a cell for one item, ``share x overlap``, and for the whole, ``share x overlap x items``;
* the *quota* of a cell, ``floor(share x overlap x items) + 1``: the rule of :mod:`annotation.coverage`, so a full
  quota is a filled cell. Done and in flight together never exceed it;
* the *deficit* of an item for a cell, ``target - done - in flight``: a person is given the item with the greatest.

People in no cell (an answer declined, a value that the target does not know) are served up to the share that
``outside`` says, never silently counted as somebody else. Everything here is pure: counts in, a choice out; ties
are broken by a seeded draw, so the same counts give the same choice on every machine.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

__all__ = [
    "OUTSIDE",
    "Achieved",
    "Cell",
    "Counts",
    "Every",
    "Limits",
    "Pay",
    "Plan",
    "Role",
    "achieved",
    "balanced_order",
    "choose",
    "due_role",
]

Cell = tuple[str, ...]
OUTSIDE: Final[Cell] = ("(outside)",)
"""The cell of people whom the target does not know."""


class Role(StrEnum):
    """What an item is there for."""

    ORDINARY = "ordinary"
    GOLD = "gold"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """When a person is shown a gold or attention item: at their ``first``-th item and every ``every`` after it."""

    first: int
    every: int

    def is_due(self, number: int) -> bool:
        """Whether the person's item of this number (from 1) is to be one."""
        return number >= self.first and (number - self.first) % self.every == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most that one person gives; None where there is no limit.

    Attributes:
        items: Judgements in all.
        items_per_day: Judgements within 24 hours.
        seconds_per_day: Time on the pages within 24 hours.
    """

    items: int | None = None
    items_per_day: int | None = None
    seconds_per_day: float | None = None

    def reached(self, *, items: int, items_today: int, seconds_today: float) -> str | None:
        """The limit that a person has reached, in words; None while they may go on."""
        for name, is_at, limit in (
            ("judgements in all", items, self.items),
            ("judgements within a day", items_today, self.items_per_day),
            ("seconds within a day", seconds_today, self.seconds_per_day),
        ):
            if limit is not None and is_at >= limit:
                return f"{limit:g} {name}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay:
    """What people are paid, and below what it is not fair.

    Attributes:
        per_item: Pay for one judgement.
        fair_per_hour: Least pay for an hour of work.
        currency: ISO 4217.
    """

    per_item: float
    fair_per_hour: float
    currency: str

    def per_hour(self, *, items: int, seconds: float) -> float | None:
        """What the work so far comes to by the hour; None before anything was timed."""
        return None if items <= 0 or seconds <= 0 else self.per_item * items * 3600 / seconds

    def is_fair(self, *, items: int, seconds: float) -> bool | None:
        """Whether it is enough; None before anything was timed."""
        found = self.per_hour(items=items, seconds=seconds)
        return None if found is None else found >= self.fair_per_hour

    def missing(self, *, items: int, seconds: float) -> float:
        """What is missing to the fair pay for the time spent; 0 where nothing is."""
        return max(self.fair_per_hour * max(seconds, 0.0) / 3600 - self.per_item * max(items, 0), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a site's items are given out.

    Attributes:
        id: Name.
        version: Version.
        strata: Codebook fields, one per position of a cell.
        cells: Share of each cell; they sum to 1.
        outside: Largest share of judgements by people in no cell.
        overlap: Judgements per item.
        gold: When gold items are shown; None: never.
        attention: When attention items are shown; None: never.
        limits: Most that one person gives.
        pay: Pay, where people are paid.
        digest: Identity of the plan.
    """

    id: str
    version: str
    strata: tuple[str, ...]
    cells: Mapping[Cell, float]
    outside: float
    overlap: int
    gold: Every | None = None
    attention: Every | None = None
    limits: Limits = field(default_factory=Limits)
    pay: Pay | None = None
    digest: str = ""

    def cell_of(self, profile: Mapping[str, str | None]) -> Cell:
        """The cell of a person with these answers; :data:`OUTSIDE` where one is missing or not in the target."""
        values = tuple(profile.get(name) for name in self.strata)
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) and found in self.cells else OUTSIDE

    def target(self, cell: Cell) -> float:
        """Judgements of one item that should come from a cell."""
        return (self.outside if cell == OUTSIDE else self.cells[cell]) * self.overlap

    def quota(self, cell: Cell, items: int) -> int:
        """Most judgements that a cell gives over ``items`` items; 0 for a share of 0."""
        wanted = self.target(cell) * items
        if wanted == 0:
            return 0
        # The outside share is an upper limit, not a group to be filled. A sum of floats may miss a whole
        # number from below: 0.1 x 3 x 10 is 3.
        whole = math.floor(wanted + 1e-9)
        return whole if cell == OUTSIDE else whole + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Judgements of ordinary items that are done or in flight.

    Attributes:
        by_item: All of an item's.
        by_cell: All of a cell's.
        by_both: Those of a cell on an item.
    """

    by_item: Mapping[str, int]
    by_cell: Mapping[Cell, int]
    by_both: Mapping[tuple[str, Cell], int]

    @classmethod
    def of(cls, by_both: Mapping[tuple[str, Cell], int]) -> Counts:
        """Summed up from how many judgements there are by item and cell."""
        by_item: dict[str, int] = {}
        by_cell: dict[Cell, int] = {}
        for (item, cell), count in by_both.items():
            by_item[item] = by_item.get(item, 0) + count
            by_cell[cell] = by_cell.get(cell, 0) + count
        return cls(by_item=by_item, by_cell=by_cell, by_both=by_both)


def choose(
    plan: Plan,
    *,
    cell: Cell,
    annotator: str,
    items: Sequence[str],
    met: Iterable[str],
    counts: Counts,
    seed: int,
) -> str | None:
    """The ordinary item that a person sees next; None if none is left for them.

    Args:
        plan: The plan.
        cell: The person's cell.
        annotator: The person; only for breaking ties.
        items: Every ordinary item of the site.
        met: Items that the person has met, whatever became of them.
        counts: What is done or in flight.
        seed: Seed of the draw.
    """
    # INVARIANT: neither the quota of a cell nor the overlap of an item is ever exceeded.
    if counts.by_cell.get(cell, 0) >= plan.quota(cell, len(items)):
        return None
    seen = set(met)
    left = [item for item in items if item not in seen and counts.by_item.get(item, 0) < plan.overlap]
    if not left:
        return None

    def rank(item: str) -> tuple[float, int, bytes]:
        deficit = plan.target(cell) - counts.by_both.get((item, cell), 0)
        draw = hashlib.sha256(f"assign:{seed}:{annotator}:{item}".encode()).digest()
        return -deficit, counts.by_item.get(item, 0), draw

    return min(left, key=rank)


def due_role(plan: Plan, number: int) -> Role:
    """What a person's item of this number (from 1) is to be; gold goes before attention."""
    if plan.gold is not None and plan.gold.is_due(number):
        return Role.GOLD
    if plan.attention is not None and plan.attention.is_due(number):
        return Role.ATTENTION
    return Role.ORDINARY


def balanced_order(
    candidates: Sequence[str],
    *,
    item: str,
    turns_of_cell: Mapping[int, int],
    turns_of_item: Mapping[int, int],
    seed: int,
) -> tuple[list[str], int]:
    """The order in which the candidates are shown, and its turn: the rotation of the canonical order by so many.

    Within a cell every turn is used equally often, over all items, so that the position of an answer is no
    property of a group; then within the item; then by a seeded draw.

    Args:
        candidates: Candidate ids in canonical order.
        item: The item, for the draw.
        turns_of_cell: Turn → showings to people of the cell, of items with as many candidates.
        turns_of_item: Turn → showings of the item.
        seed: Seed of the draw.
    """

    def rank(turn: int) -> tuple[int, int, bytes]:
        draw = hashlib.sha256(f"turn:{seed}:{item}:{turn}".encode()).digest()
        return turns_of_cell.get(turn, 0), turns_of_item.get(turn, 0), draw

    turn = min(range(len(candidates)), key=rank)
    return [*candidates[turn:], *candidates[:turn]], turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Achieved:
    """One cell, achieved against target.

    Attributes:
        cell: The cell.
        share: Its share of the population.
        quota: Judgements that fill it.
        done: Judgements given.
        in_flight: Judgements that people are giving now.
        per_day: Judgements given within the last day.
        forecast: When it will be filled at that pace; None where nothing comes in, or nothing is missing.
    """

    cell: Cell
    share: float
    quota: int
    done: int
    in_flight: int
    per_day: float
    forecast: datetime | None

    @property
    def missing(self) -> int:
        """Judgements that are still to come."""
        return max(self.quota - self.done, 0)

    @property
    def is_under_filled(self) -> bool:
        """Whether people of this cell are missing. Nobody has to be outside."""
        return self.cell != OUTSIDE and self.done < self.quota


def achieved(
    plan: Plan,
    *,
    items: int,
    done: Mapping[Cell, int],
    in_flight: Mapping[Cell, int],
    done_last_day: Mapping[Cell, int],
    now: datetime,
) -> tuple[Achieved, ...]:
    """Every cell of the plan in its order, then the people outside."""
    found = []
    for cell, share in [*plan.cells.items(), (OUTSIDE, plan.outside)]:
        quota, given = plan.quota(cell, items), done.get(cell, 0)
        pace = float(done_last_day.get(cell, 0))
        missing = max(quota - given, 0)
        forecast = now + timedelta(days=missing / pace) if missing and pace and cell != OUTSIDE else None
        found.append(
            Achieved(
                cell=cell,
                share=share,
                quota=quota,
                done=given,
                in_flight=in_flight.get(cell, 0),
                per_day=pace,
                forecast=forecast,
            )
        )
    return tuple(found)
