"""Where a finding about a stack was written: the rule, limit, default or dimension it names."""

from __future__ import annotations

from collections.abc import Sequence

from governance.policy.dimensions import declaration_id
from governance.policy.document import PolicyDocument, TierTwoDocument
from governance.policy.finding import Code, Finding
from governance.policy.origin import Spot

__all__ = ["spot_of"]


def spot_of(finding: Finding, documents: Sequence[PolicyDocument]) -> Spot | None:
    """The place to look at first; None where the documents were made of values, or it is about all of them."""
    example = finding.example or {}
    dimension = str(example.get("dimension", ""))
    match finding.code:
        case Code.UNDECLARED | Code.WRONG_KIND:
            below = ("limits", dimension)
            spot = _rule(finding.where, documents, below) or _dimension(dimension, documents)
        case Code.EMPTY:
            # the narrowing that took the last value
            spot = _rule(finding.by or "", documents, ("limits", dimension)) or _dimension(
                dimension, documents
            )
        case Code.DEFAULT:
            owner = finding.where.partition(": ")[0]
            spot = _dimension(dimension, [d for d in documents if d.id == owner], ("default",))
        case Code.CLOSED:
            owner = str(example.get("declared_by", ""))
            spot = _dimension(dimension, [d for d in documents if d.id == owner])
        case Code.UNKNOWN_RULE | Code.NO_EVIDENCE | Code.PLAN:
            spot = _promotion_limit(str(example.get("rule", "")), documents)
        case Code.NO_CONTEXT:
            spot = next(
                (d.origin.spot(("context", finding.where)) for d in documents if finding.where in d.context),
                None,
            )
        case _:
            spot = _rule(finding.where, documents)
    return spot


def _rule(name: str, documents: Sequence[PolicyDocument], below: tuple[str, ...] = ()) -> Spot | None:
    for document in documents:
        if (spot := document.origin.member("rules", name, below)) is not None:
            return spot
    return None


def _dimension(name: str, documents: Sequence[PolicyDocument], below: tuple[str, ...] = ()) -> Spot | None:
    name = name.removeprefix(declaration_id(""))
    for document in documents:
        if (spot := document.origin.member("dimensions", name, below)) is not None:
            return spot
    return None


def _promotion_limit(rule: str, documents: Sequence[PolicyDocument]) -> Spot | None:
    for document in documents:
        if isinstance(document, TierTwoDocument) and document.promotion is not None:
            for number, limit in enumerate(document.promotion.limits):
                if limit.rule == rule:
                    return document.origin.spot(("promotion", "limits", number))
    return _rule(rule, documents)
