"""The benefits and risks of personalised models, Table 1 of the paper, as data with codes.

The names stand in ``taxonomy.json`` beside this module, each with a ``verified`` mark, so that a correction
is a change of one file. Rules, probes and findings carry the codes; a code that nothing carries is uncovered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Coverage", "Entry", "codes", "coverage", "entries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One effect of personalisation."""

    code: str
    level: str
    effect: str
    name: str
    plain: str
    inverse: str
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What speaks to one code: rule ids and probe ids. Neither: the code is uncovered."""

    entry: Entry
    rules: tuple[str, ...]
    probes: tuple[str, ...]

    @property
    def is_covered(self) -> bool:
        """Whether any rule or probe carries the code."""
        return bool(self.rules or self.probes)


@cache
def entries() -> Mapping[str, Entry]:
    """Every entry of the table by its code, in the table's order."""
    table = json.loads((files("governance") / "taxonomy.json").read_text("utf-8"))
    return {row["code"]: Entry(**row) for row in table["entries"]}


@cache
def codes() -> frozenset[str]:
    """The known codes."""
    return frozenset(entries())


def coverage(
    rules: Iterable[tuple[str, Iterable[str]]], probes: Iterable[tuple[str, Iterable[str]]] = ()
) -> tuple[Coverage, ...]:
    """For every code, the rules and probes that carry it.

    Args:
        rules: Pairs of rule id and its codes.
        probes: Pairs of probe id and its codes.
    """
    held: dict[str, tuple[set[str], set[str]]] = {code: (set(), set()) for code in entries()}
    for place, carriers in enumerate((rules, probes)):
        for name, carried in carriers:
            for code in carried:
                if code in held:
                    held[code][place].add(name)
    return tuple(
        Coverage(entry=entry, rules=tuple(sorted(held[code][0])), probes=tuple(sorted(held[code][1])))
        for code, entry in entries().items()
    )
