"""Changes of rules and of what a document says about itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from governance.policy.cells import contexts
from governance.policy.change import Change, Direction
from governance.policy.model import EffectiveRule, When, holds
from governance.policy.view import View

__all__ = ["changes"]

_PROSE: Final = ("statement", "rationale", "sources", "risks", "output_property", "judge", "direction")
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def changes(before: View, after: View) -> Iterator[Change]:
    """Rules added, removed and changed; then the facts of the document."""
    for name in sorted({*before.rules, *after.rules}):
        old, new = before.rules.get(name), after.rules.get(name)
        if old is None and new is not None:
            yield from _whole(new, Direction.ADDED, Direction.TIGHTENED, "now holds")
        elif new is None and old is not None:
            yield from _whole(old, Direction.REMOVED, Direction.LOOSENED, "no longer holds")
        elif old is not None and new is not None:
            yield from _kept(old, new, before, after)
    yield from _facts(before, after)


def _whole(rule: EffectiveRule, change: Direction, effect: Direction, verb: str) -> Iterator[Change]:
    yield Change(direction=change, what="rule", id=rule.id, detail=rule.statement)
    context = {name: min(values) for name, values in rule.when.items()}
    yield Change(
        direction=effect,
        what="rule",
        id=rule.id,
        detail=f"{rule.kind} {verb}: {rule.statement}",
        witness={"rule": rule.id, "kind": str(rule.kind), "context": context},
        rule=rule.id,
    )


def _kept(old: EffectiveRule, new: EffectiveRule, before: View, after: View) -> Iterator[Change]:
    if old.kind is not new.kind:
        witness = {"was": str(old.kind), "is": str(new.kind)}
        yield _change(
            Direction.LOOSENED, new, f"the {old.kind} no longer holds; it is a {new.kind} now", witness
        )
        yield _change(Direction.TIGHTENED, new, f"a {new.kind} holds that was a {old.kind}", witness)
    yield from _where(old, new, before, after)
    yield from _span(old, new)
    if old.waivable != new.waivable:
        direction = Direction.LOOSENED if new.waivable else Direction.TIGHTENED
        yield _change(
            direction, new, f"waivable is {str(new.waivable).lower()} now", {"waivable": new.waivable}
        )
    for probe in sorted({*old.probes} - {*new.probes}):
        yield _change(Direction.LOOSENED, new, f"no longer audited by probes {probe}", {"probe": probe})
    for probe in sorted({*new.probes} - {*old.probes}):
        yield _change(Direction.TIGHTENED, new, f"audited by probes {probe} too", {"probe": probe})
    for name in _PROSE:
        was, now = getattr(old, name), getattr(new, name)
        if (sorted(was) != sorted(now)) if isinstance(was, tuple) else was != now:
            yield _change(Direction.CHANGED, new, f"{name} was {was!r}, is {now!r}", None)


def _change(direction: Direction, rule: EffectiveRule, detail: str, witness: dict[str, Any] | None) -> Change:
    return Change(direction=direction, what="rule", id=rule.id, detail=detail, witness=witness, rule=rule.id)


def _where(old: EffectiveRule, new: EffectiveRule, before: View, after: View) -> Iterator[Change]:
    """Contexts in which the rule holds on one side only."""
    found: dict[Direction, dict[str, str]] = {}
    for context in contexts([old.when, new.when], (before.known, after.known)):
        was, now = _holds(old.when, context), _holds(new.when, context)
        if was != now:
            found.setdefault(Direction.TIGHTENED if now else Direction.LOOSENED, context)
    for direction, context in found.items():
        verb = "also holds" if direction is Direction.TIGHTENED else "no longer holds"
        shown = ", ".join(f"{name} is {value}" for name, value in context.items())
        yield _change(direction, new, f"{verb} where {shown or 'nothing is known'}", {"context": context})


def _holds(when: When, context: dict[str, str]) -> bool:
    return holds(when, context)


def _span(old: EffectiveRule, new: EffectiveRule) -> Iterator[Change]:
    """Instants at which the rule is in force on one side only."""
    starts = (old.since or _FIRST, new.since or _FIRST)
    ends = (old.until or _LAST, new.until or _LAST)
    if starts[0] != starts[1]:
        direction = Direction.LOOSENED if starts[1] > starts[0] else Direction.TIGHTENED
        yield _change(
            direction, new, f"begins {_day(new.since)}, began {_day(old.since)}", {"at": _day(min(starts))}
        )
    if ends[0] != ends[1]:
        direction = Direction.LOOSENED if ends[1] < ends[0] else Direction.TIGHTENED
        yield _change(
            direction, new, f"ends {_day(new.until)}, ended {_day(old.until)}", {"at": _day(min(ends))}
        )


def _day(moment: datetime | None) -> str:
    return (
        moment.isoformat()
        if moment and moment not in {_FIRST, _LAST}
        else "always"
        if moment == _FIRST
        else "never"
    )


def _facts(before: View, after: View) -> Iterator[Change]:
    for name in sorted({*before.facts, *after.facts}):
        was, now = before.facts.get(name), after.facts.get(name)
        if was == now:
            continue
        if name in {"jurisdictions", "applications"}:
            yield from _binding(name, was or frozenset(), now or frozenset())
        elif name == "further_dimensions":
            direction = Direction.LOOSENED if now == "allowed" else Direction.TIGHTENED
            yield Change(
                direction=direction,
                what="document",
                id=name,
                detail=f"dimensions introduced below are {now}",
                witness={"dimension": "one that nobody above declares"},
            )
        else:
            yield Change(
                direction=Direction.CHANGED,
                what="document",
                id=name,
                detail=f"{name} was {was!r}, is {now!r}",
            )


def _binding(name: str, was: frozenset[str], now: frozenset[str]) -> Iterator[Change]:
    """Where a document binds. None named means everywhere."""
    if was and not now:
        yield _bind(Direction.TIGHTENED, name, "binds everywhere now", "any other")
    elif now and not was:
        yield _bind(Direction.LOOSENED, name, f"binds only {', '.join(sorted(now))}", "any other")
    else:
        if come := sorted(now - was):
            yield _bind(Direction.TIGHTENED, name, f"binds {', '.join(come)} too", come[0])
        if gone := sorted(was - now):
            yield _bind(Direction.LOOSENED, name, f"no longer binds {', '.join(gone)}", gone[0])


def _bind(direction: Direction, name: str, detail: str, place: str) -> Change:
    return Change(direction=direction, what="document", id=name, detail=detail, witness={name: place})
