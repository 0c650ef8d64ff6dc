"""The plan of assignment as its owner writes it: YAML, read strictly into :class:`annotation.assignment.Plan`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from annotation.assignment import Cell, Every, Limits, Pay, Plan
from governance.digest import digest
from governance.errors import InputError
from governance.policy.source import read

__all__ = ["parse_plan"]

FORMAT: Final = "bounds.assignment/1"
_SLACK: Final = 0.02


def parse_plan(text: str, *, name: str) -> Plan:
    """The plan of a YAML text.

    Raises:
        InputError: It is none; the error names file and field.
    """
    data = read(text, name=name).data
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError("not a plan of assignment", file=name, field="format", expected=FORMAT)
    known = {"format", "id", "version", "strata", "cells", "outside", "overlap", "gold", "attention"}
    known |= {"limits", "pay"}
    if extra := sorted(set(data) - known):
        raise InputError("no such field", file=name, field=extra[0], expected=", ".join(sorted(known)))
    try:
        plan = Plan(
            id=str(data["id"]),
            version=str(data["version"]),
            strata=tuple(str(each) for each in data["strata"]),
            cells=_cells(data["cells"], data["strata"], name),
            outside=float(data["outside"]),
            overlap=int(data["overlap"]),
            gold=Every(**data["gold"]) if data.get("gold") else None,
            attention=Every(**data["attention"]) if data.get("attention") else None,
            limits=Limits(**(data.get("limits") or {})),
            pay=Pay(**data["pay"]) if data.get("pay") else None,
            digest=digest(data),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a plan of assignment: {error}", file=name, expected=FORMAT) from error
    _check(plan, name)
    return plan


def _cells(listed: Any, strata: Sequence[str], name: str) -> dict[Cell, float]:
    cells: dict[Cell, float] = {}
    for number, entry in enumerate(listed, start=1):
        at = f"cells.{number}"
        if set(entry["stratum"]) != set(strata):
            raise InputError(
                "a cell names other strata",
                file=name,
                field=at,
                value=", ".join(map(str, entry["stratum"])),
                expected=", ".join(map(str, strata)),
            )
        cell = tuple(str(entry["stratum"][stratum]) for stratum in strata)
        if cell in cells:
            raise InputError("the cell stands twice", file=name, field=at, value=" / ".join(cell))
        cells[cell] = float(entry["share"])
    return cells


def _check(plan: Plan, name: str) -> None:
    total = math.fsum(plan.cells.values())
    if not plan.strata or not plan.cells:
        raise InputError("a plan needs strata and cells", file=name, field="cells")
    if any(not math.isfinite(share) or share < 0 for share in plan.cells.values()):
        raise InputError("a share is not a number from 0", file=name, field="cells")
    if abs(total - 1) > _SLACK:
        raise InputError(
            "the shares do not sum to 1", file=name, field="cells", value=round(total, 6), expected="1"
        )
    if not 0 <= plan.outside <= 1:
        raise InputError("not a share", file=name, field="outside", value=plan.outside, expected="0 to 1")
    if plan.overlap < 1:
        raise InputError("no judgement per item", file=name, field="overlap", value=plan.overlap)
    for word, rule in (("gold", plan.gold), ("attention", plan.attention)):
        if rule is not None and (rule.first < 1 or rule.every < 2):
            raise InputError(
                "not a rule for such items", file=name, field=word, expected="first from 1, every from 2"
            )
    if plan.pay is not None and (plan.pay.per_item < 0 or plan.pay.fair_per_hour <= 0):
        raise InputError(
            "not a pay", file=name, field="pay", expected="per_item from 0, fair_per_hour above 0"
        )
