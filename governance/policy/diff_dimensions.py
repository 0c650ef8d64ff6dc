"""Changes of what may be personalised, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from governance.policy.cells import contexts
from governance.policy.change import Change, Direction
from governance.policy.domain import Domain, contains, difference
from governance.policy.model import EffectiveDimension, holds
from governance.policy.view import View

__all__ = ["changes"]


def changes(before: View, after: View) -> Iterator[Change]:
    """Every dimension whose allowed values differ somewhere, and what else changed about it."""
    names = sorted({*before.dimensions, *after.dimensions, *before.limits, *after.limits})
    for name in names:
        old, new = before.dimensions.get(name), after.dimensions.get(name)
        if old is None and new is not None:
            yield Change(direction=Direction.ADDED, what="dimension", id=name, detail=new.statement)
        if new is None and old is not None:
            yield Change(direction=Direction.REMOVED, what="dimension", id=name, detail=old.statement)
        kind = _kind(name, before, after)
        yield from _side(name, kind, before, after, Direction.LOOSENED)
        yield from _side(name, kind, before, after, Direction.TIGHTENED)
        if old is not None and new is not None:
            yield from _about(old, new)


def _kind(name: str, before: View, after: View) -> str:
    """The kind of a dimension: as declared, else as the limits speak of it."""
    for view in (after, before):
        if name in view.dimensions:
            return view.dimensions[name].kind
    narrowings = (*after.limits.get(name, ()), *before.limits.get(name, ()))
    return next((n.domain.kind for n in narrowings), "nothing")


def _side(name: str, kind: str, before: View, after: View, direction: Direction) -> Iterator[Change]:
    """The first cell in which one side allows a value that the other does not."""
    wider, narrower = (after, before) if direction is Direction.LOOSENED else (before, after)
    whens = [n.when for view in (before, after) for n in view.narrowings(name)]
    witness: tuple[dict[str, str], Any] | None = None
    cells = 0
    for context in contexts(whens, (before.known, after.known), with_missing=True):
        value = difference(_left(wider, name, kind, context), _left(narrower, name, kind, context))
        if value is not None:
            cells += 1
            witness = witness or (context, value)
    if witness is None:
        return
    context, value = witness
    rule = _culprit(narrower, name, value, context)
    verb = "now allowed" if direction is Direction.LOOSENED else "no longer allowed"
    shown = (
        str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else value
    )
    yield Change(
        direction=direction,
        what="dimension",
        id=name,
        detail=f"{shown} is {verb}{_in(context)} (such values in {cells} class{'es' if cells > 1 else ''} of contexts)",
        witness={"dimension": name, "value": value, "context": context},
        rule=rule,
    )


def _left(view: View, name: str, kind: str, context: dict[str, str]) -> Domain:
    return view.left(name, kind, context)


def _culprit(view: View, name: str, value: object, context: dict[str, str]) -> str | None:
    for narrowing in view.narrowings(name):
        if holds(narrowing.when, context) and not contains(narrowing.domain, value):
            return narrowing.rule
    return None


def _in(context: dict[str, str]) -> str:
    return f" where {', '.join(f'{name} is {value}' for name, value in context.items())}" if context else ""


def _about(old: EffectiveDimension, new: EffectiveDimension) -> Iterator[Change]:
    if gone := sorted(old.settable_by - new.settable_by):
        yield _setters(Direction.TIGHTENED, new.id, f"{', '.join(gone)} may no longer set it", gone[0])
    if come := sorted(new.settable_by - old.settable_by):
        yield _setters(Direction.LOOSENED, new.id, f"{', '.join(come)} may set it now", come[0])
    fields = {
        "statement": (old.statement, new.statement),
        "rationale": (old.rationale, new.rationale),
        "unit": (old.unit, new.unit),
        "prompt": (old.prompt, new.prompt),
        "default": ([d.value for d in old.defaults], [d.value for d in new.defaults]),
        "outside": (old.outside, new.outside),
    }
    for name, (was, now) in fields.items():
        if was != now:
            yield Change(
                direction=Direction.CHANGED,
                what="dimension",
                id=new.id,
                detail=f"{name} was {was!r}, is {now!r}",
            )


def _setters(direction: Direction, name: str, detail: str, setter: str) -> Change:
    return Change(
        direction=direction,
        what="dimension",
        id=name,
        detail=detail,
        witness={"dimension": name, "set_by": setter},
    )
