"""The dimensions of a stack: who declared them, and everything that narrows each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from governance.policy.convert import declared_domain
from governance.policy.document import PolicyDocument, TierTwoDocument
from governance.policy.domain import Nothing
from governance.policy.model import Default, DocumentRef, EffectiveDimension, EffectiveRule, Narrowing
from governance.policy.shapes import Choice, Dimension, Range

__all__ = ["declaration_id", "effective_dimensions"]

Declared = tuple[DocumentRef, Dimension]


def declaration_id(dimension: str) -> str:
    """How the declaration of a dimension is named where a rule id stands otherwise."""
    return f"dimension.{dimension}"


def effective_dimensions(
    current: Sequence[tuple[DocumentRef, PolicyDocument]], rules: Sequence[EffectiveRule]
) -> Mapping[str, EffectiveDimension]:
    """Every declared dimension by id, in order of declaration.

    Args:
        current: Documents in force, highest authority first.
        rules: Rules in force.
    """
    binding = [(ref, document) for ref, document in current if isinstance(document, TierTwoDocument)]
    declared: dict[str, list[Declared]] = defaultdict(list)
    for ref, document in binding:
        for dimension in document.dimensions:
            declared[dimension.id].append((ref, dimension))
    limits: dict[str, list[Narrowing]] = defaultdict(list)
    for rule in rules:
        for name, domain in rule.limits.items():
            limits[name].append(
                Narrowing(rule=rule.id, domain=domain, when=rule.when, document=rule.document)
            )
    return {
        name: _effective(name, declarations, limits[name], _closed_by(declarations, binding))
        for name, declarations in declared.items()
    }


def _closed_by(
    declarations: Sequence[Declared], binding: Sequence[tuple[DocumentRef, TierTwoDocument]]
) -> list[Narrowing]:
    """Documents above the first declaration that do not let anyone below introduce a dimension."""
    first, _ = declarations[0]
    return [
        Narrowing(rule=f"{ref.id}.further-dimensions", domain=Nothing(), when={}, document=ref)
        for ref, document in binding
        if ref.level < first.level and document.further_dimensions == "refused"
    ]


def _effective(
    name: str, declarations: Sequence[Declared], limits: Sequence[Narrowing], closed: Sequence[Narrowing]
) -> EffectiveDimension:
    _, first = declarations[0]
    own = [
        Narrowing(rule=declaration_id(name), domain=declared_domain(dimension), when={}, document=ref)
        for ref, dimension in declarations
    ]
    narrowings = tuple(sorted([*own, *limits, *closed], key=lambda narrowing: narrowing.rank))
    settable = frozenset(first.settable_by)
    for _, dimension in declarations[1:]:
        settable &= frozenset(dimension.settable_by)
    return EffectiveDimension(
        id=name,
        kind=first.type,
        statement=first.statement,
        rationale=first.rationale,
        unit=first.unit if isinstance(first, Range) else None,
        values=first.values if isinstance(first, Choice) else (),
        prompt=next((dimension.prompt for _, dimension in reversed(declarations) if dimension.prompt), None),
        # INVARIANT: where documents differ, the stricter answer to a wish outside the bounds holds.
        outside="clip"
        if all(isinstance(d, Range) and d.outside == "clip" for _, d in declarations)
        else "deny",
        settable_by=settable,
        declared=tuple(ref for ref, _ in declarations),
        # the nearest to the person first: application, then provider
        defaults=tuple(
            Default(value=_plain(dimension.default), document=ref)
            for ref, dimension in reversed(declarations)
            if dimension.default is not None and ref.owner_kind in dimension.settable_by
        ),
        narrowings=narrowings,
        attributes=tuple(sorted({attribute for narrowing in narrowings for attribute in narrowing.when})),
    )


def _plain(value: str | bool | float) -> str | bool | int | float:
    """Whole numbers as int: 3, not 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
