"""Conflicts of what may be personalised: nothing left, defaults outside, limits that miss their dimension."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from governance.policy.cells import contexts
from governance.policy.dimensions import declaration_id
from governance.policy.domain import (
    MICRO,
    Choices,
    Domain,
    Interval,
    Nothing,
    contains,
    from_micro,
    is_empty,
    meet,
)
from governance.policy.finding import Code, Finding, Severity
from governance.policy.model import Default, EffectiveDimension, EffectivePolicy, Narrowing, holds
from governance.policy.view import limits_of
from governance.tiers import Tier

__all__ = ["findings"]

# Of 1 for the same word: a letter lost, doubled, swapped or wrong, not another word.
_CLOSE: Final = 0.8


def findings(policy: EffectivePolicy) -> Iterator[Finding]:
    """Everything about the dimensions of a policy."""
    for dimension in policy.dimensions.values():
        yield from _kinds(dimension)
        yield from _empty(dimension, policy)
        yield from _defaults(dimension, policy)
    yield from _undeclared(policy)


def _kinds(dimension: EffectiveDimension) -> Iterator[Finding]:
    for narrowing in dimension.narrowings:
        if isinstance(narrowing.domain, Nothing):
            yield Finding(
                severity=Severity.ERROR,
                code=Code.CLOSED,
                where=dimension.id,
                message=f"{narrowing.document.id} lets no document below introduce a dimension, and "
                f"{dimension.declared[0].id} introduces {dimension.id}",
                example={"dimension": dimension.id, "declared_by": dimension.declared[0].id},
            )
        elif narrowing.domain.kind != dimension.kind:
            yield Finding(
                severity=Severity.ERROR,
                code=Code.WRONG_KIND,
                where=narrowing.rule,
                message=f"{narrowing.rule} treats {dimension.id} as a {narrowing.domain.kind}; it is a {dimension.kind}",
                example={"dimension": dimension.id, "rule": narrowing.rule},
            )


def _empty(dimension: EffectiveDimension, policy: EffectivePolicy) -> Iterator[Finding]:
    """The first context in which the meet leaves nothing, and the narrowing that took the last value."""
    if any(n.domain.kind != dimension.kind for n in dimension.narrowings):
        return  # said above, with the better reason
    for context in contexts([n.when for n in dimension.narrowings], (policy.context,)):
        taker = _taker(dimension, context)
        if taker is not None:
            first = f"{taker.rule} of {taker.document.id}"
            yield Finding(
                severity=Severity.ERROR,
                code=Code.EMPTY,
                where=dimension.id,
                message=f"no value of {dimension.id} is left once {first} is applied",
                by=taker.rule,
                example={
                    "dimension": dimension.id,
                    "context": context,
                    "rules": [n.rule for n in dimension.narrowings if holds(n.when, context)],
                },
            )
            return


def _taker(dimension: EffectiveDimension, context: dict[str, str]) -> Narrowing | None:
    """The narrowing that takes the last value.

    Within a level the declaration comes first: a rule is measured against what is declared beside it.
    """
    left: Domain | None = None
    own = declaration_id(dimension.id)
    for narrowing in sorted(dimension.narrowings, key=lambda n: (n.document.level, n.rule != own)):
        if holds(narrowing.when, context):
            left = narrowing.domain if left is None else meet(left, narrowing.domain)
            if is_empty(left):
                return narrowing
    return None


def _defaults(dimension: EffectiveDimension, policy: EffectivePolicy) -> Iterator[Finding]:
    """Defaults outside what is left: an error where that is so everywhere, a warning where it is somewhere."""
    cells = list(contexts([n.when for n in dimension.narrowings], (policy.context,)))
    reached = cells  # the contexts in which no nearer default holds
    for default in dimension.defaults:
        outside = [c for c in reached if not contains(dimension.allowed(c, policy.context), default.value)]
        reached = outside
        if outside:
            everywhere = len(outside) == len(cells)
            own = _own(dimension, default)
            by = None if own else dimension.determining(default.value, outside[0])
            reason = own or (f"by {by.rule}" if by else "by the rules together")
            yield Finding(
                severity=Severity.ERROR if everywhere else Severity.WARNING,
                code=Code.DEFAULT,
                where=f"{default.document.id}: {dimension.id}",
                message=f"the default {default.value!r} is outside what is left"
                f"{'' if everywhere else ' in some contexts'} ({reason})",
                example={"dimension": dimension.id, "value": default.value, "context": outside[0]},
            )


def _own(dimension: EffectiveDimension, default: Default) -> str | None:
    """How the declaration that states a default leaves it out; None where it does not."""
    for narrowing in dimension.narrowings:
        own = narrowing.rule == declaration_id(dimension.id) and narrowing.document == default.document
        if own and not contains(narrowing.domain, default.value):
            match narrowing.domain:
                case Interval(low, high, step) if step == MICRO:
                    left = f"from {from_micro(low)} to {from_micro(high)}"
                case Interval(low, high, step):
                    left = f"from {from_micro(low)} to {from_micro(high)} in steps of {from_micro(step)}"
                case Choices(_, values):
                    left = ", ".join(sorted(map(str, values)))
                case _:
                    left = "a text within its length and without its phrases"
            return f"the dimension's own declaration leaves {left}"
    return None


def _undeclared(policy: EffectivePolicy) -> Iterator[Finding]:
    for name, narrowings in limits_of({rule.id: rule for rule in policy.rules}).items():
        if name not in policy.dimensions:
            near = get_close_matches(name, policy.dimensions, n=1, cutoff=_CLOSE)
            for narrowing in narrowings:
                if near:  # the limit would be lost to a typing mistake
                    yield Finding(
                        severity=Severity.ERROR,
                        code=Code.UNDECLARED,
                        where=narrowing.rule,
                        message=f"{narrowing.rule} limits {name}, which no document declares; "
                        f"did you mean {near[0]}?",
                        example={"dimension": name, "declared": near[0]},
                    )
                    continue
                # Law speaks of dimensions that a product may not have; an organisation should know its own.
                lawful = narrowing.document.tier is Tier.ONE
                yield Finding(
                    severity=Severity.NOTE if lawful else Severity.WARNING,
                    code=Code.UNDECLARED,
                    where=narrowing.rule,
                    message=f"{narrowing.rule} limits {name}, which no document declares",
                    example={"dimension": name},
                )
