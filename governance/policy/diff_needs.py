"""Changes of what is demanded of data and of a promotion: each term knows which way is stricter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from governance.policy.change import Change, Direction
from governance.policy.model import EffectivePromotion
from governance.policy.view import View

__all__ = ["changes"]

# Which way is stricter: a larger number, a smaller one, more members, fewer members.
_LARGER: Final = frozenset(
    {"at_least", "share", "confidence", "families", "threshold", "min_annotators", "min_accuracy"}
)
_SMALLER: Final = frozenset(
    {"at_most", "max_rate", "allow", "validity_days", "max_gap", "error_budget", "answers", "similarity"}
)
_MORE: Final = frozenset({"questions", "forbid", "aliases", "by", "primary"})
_FEWER: Final = frozenset({"evidence", "roles"})
_FALSE: Final = frozenset({"anytime", "curtail"})
_TRUE: Final = frozenset({"as_written"})


def changes(before: View, after: View) -> Iterator[Change]:
    """Every term that became stricter or laxer, with an example between the two."""
    yield from _maps(
        "data",
        {name: {"check": need.check, **need.terms} for name, need in before.data.items()},
        {name: {"check": need.check, **need.terms} for name, need in after.data.items()},
    )
    yield from _maps("promotion", _promotion(before.promotion), _promotion(after.promotion))


def _promotion(promotion: EffectivePromotion) -> dict[str, dict[str, Any]]:
    demands: dict[str, dict[str, Any]] = {}
    for limit in promotion.limits:
        terms = limit.as_json()
        del terms["documents"], terms["rule"]
        demands[f"{limit.rule} {limit.direction}"] = terms
    demands |= {f"otherwise {name}": dict(found) for name, found in promotion.otherwise.items()}
    for need in promotion.approvals:
        demands[f"approvals {need.document.id}"] = {"roles": tuple(need.roles), "threshold": need.threshold}
    for number, stratum in enumerate(promotion.strata):
        named = tuple(
            " & ".join(f"{question}={answer}" for question, answer in sorted(each.items()))
            for each in stratum.get("primary", ())
        )
        demands[f"strata {number}"] = {**stratum, "primary": named}
    # Without a budget a probe set is good for one version: the strictest there is.
    demands["stopping early"] = {"curtail": promotion.curtail}
    demands["reuse of probes"] = {"error_budget": promotion.error_budget or 0.0}
    if promotion.validity_days is not None:
        demands["validity"] = {"validity_days": promotion.validity_days}
    for alias in promotion.aliases:
        demands[f"alias {alias}"] = {"alias": alias}
    if not promotion.is_demonstration:
        demands["evidence is real"] = {"simulated": False}
    return demands


def _maps(
    what: str, was: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    for name in sorted({*was, *now}):
        old, new = was.get(name), now.get(name)
        if old is None and new is not None:
            yield Change(direction=Direction.ADDED, what=what, id=name, detail=_shown(new))
            yield _made(
                Direction.TIGHTENED, what, name, f"now demanded: {_shown(new)}", {"terms": _plain(new)}
            )
        elif new is None and old is not None:
            yield Change(direction=Direction.REMOVED, what=what, id=name, detail=_shown(old))
            yield _made(
                Direction.LOOSENED, what, name, f"no longer demanded: {_shown(old)}", {"terms": _plain(old)}
            )
        elif old is not None and new is not None:
            for term in sorted({*old, *new}):
                yield from _term(what, name, term, old.get(term), new.get(term))


def _term(what: str, name: str, term: str, old: Any, new: Any) -> Iterator[Change]:
    if _comparable(old) == _comparable(new):
        return
    detail = f"{term} was {_plain(old)}, is {_plain(new)}"
    directions = _directions(term, old, new)
    for direction in directions:
        yield _made(direction, what, name, detail, {term: _between(old, new)})
    if not directions:
        yield Change(direction=Direction.CHANGED, what=what, id=name, detail=detail)


def _directions(term: str, old: Any, new: Any) -> tuple[Direction, ...]:
    if term in _LARGER | _SMALLER:
        absent = old is None or new is None
        stricter = old is None if absent else (new > old) if term in _LARGER else (new < old)
        return (Direction.TIGHTENED if stricter else Direction.LOOSENED,)
    if term == "primary" and not (old and new):
        return (Direction.LOOSENED if new else Direction.TIGHTENED,)  # none named: every group gates
    if term in _MORE | _FEWER:
        come, gone = {*(new or ())} - {*(old or ())}, {*(old or ())} - {*(new or ())}
        if term in _FEWER:
            come, gone = gone, come
        return tuple(
            direction
            for direction, members in ((Direction.TIGHTENED, come), (Direction.LOOSENED, gone))
            if members
        )
    if term == "targets":
        pairs = [((old or {}).get(key, 0), (new or {}).get(key, 0)) for key in {*(old or {}), *(new or {})}]
        return tuple(
            direction
            for direction, found in (
                (Direction.TIGHTENED, any(now > was for was, now in pairs)),
                (Direction.LOOSENED, any(now < was for was, now in pairs)),
            )
            if found
        )
    if term in _FALSE | _TRUE:
        laxer = bool(new) == (term in _FALSE)
        return (Direction.LOOSENED if laxer else Direction.TIGHTENED,)
    # another check, question or purpose under the same id: the old demand is gone and a new one has come
    return (Direction.TIGHTENED, Direction.LOOSENED) if term in {"check", "question", "purpose"} else ()


def _between(old: Any, new: Any) -> Any:
    """A value that one side accepts and the other does not."""
    if isinstance(old, bool) or isinstance(new, bool):
        return new
    if isinstance(old, int | float) and isinstance(new, int | float):
        return (old + new) / 2
    if isinstance(old, tuple | list) and isinstance(new, tuple | list):
        return min({*_comparable(old)} ^ {*_comparable(new)})
    return _plain(new if new is not None else old)


def _comparable(value: Any) -> Any:
    """``value`` so that two of them are equal where their order alone differs; members may be maps."""
    return sorted(map(str, map(_plain, value))) if isinstance(value, tuple | list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list | frozenset):
        return sorted(map(str, value))
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _shown(terms: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in terms.items())


def _made(direction: Direction, what: str, name: str, detail: str, witness: dict[str, Any]) -> Change:
    return Change(direction=direction, what=what, id=name, detail=detail, witness=witness)
