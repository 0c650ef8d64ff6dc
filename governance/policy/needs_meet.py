"""The strictest of what several Tier Two documents demand of data and of a promotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from governance.policy.document import PolicyDocument, TierTwoDocument
from governance.policy.model import (
    ApprovalNeed,
    DataNeed,
    DocumentRef,
    EffectivePromotion,
    EffectiveRule,
    PromotionNeed,
)
from governance.policy.needs import Promotion, PromotionTerms
from governance.tiers import Direction, EvidenceGrade

__all__ = ["data_requirements", "promotion", "stricter_terms"]

Placed = tuple[DocumentRef, PolicyDocument]
_KEPT: Final = frozenset({"id", "check", "statement", "rationale", "risks"})


def _larger_shares(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in sorted({*one, *other})}


def _union(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


_STRICTER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "at_least": max,
    "at_most": min,
    "share": max,
    "questions": _union,
    "forbid": _union,
    "targets": _larger_shares,
    "answers": min,
    "similarity": min,
    "as_written": max,
}


def stricter_terms(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Of two sets of terms of the same check the stricter of each."""
    merged = dict(one)
    for name, value in other.items():
        mine = merged.get(name)
        if mine is None or value is None:
            merged[name] = value if mine is None else mine
        elif name in _STRICTER:
            merged[name] = _STRICTER[name](mine, value)
    return merged


def data_requirements(current: Sequence[Placed]) -> tuple[DataNeed, ...]:
    """Every data requirement in force by id; requirements of the same id and check become the strictest.

    A document that reuses an id for another check, question or purpose does not replace anything: both hold,
    the lower one under ``id@document``.
    """
    found: dict[str, DataNeed] = {}
    for ref, document in current:
        for need in document.data if isinstance(document, TierTwoDocument) else ():
            terms = {
                name: value
                for name, value in need.model_dump(mode="python").items()
                if name not in _KEPT and value is not None
            }
            made = DataNeed(id=need.id, check=need.check, terms=terms, statement=need.statement, document=ref)
            before = found.get(need.id)
            if before is None:
                found[need.id] = made
            elif _same_subject(before, made):
                merged = stricter_terms(before.terms, terms)
                owner = before if merged == dict(before.terms) else made
                found[need.id] = DataNeed(
                    id=need.id,
                    check=need.check,
                    terms=merged,
                    statement=owner.statement or before.statement,
                    document=owner.document,
                )
            else:
                found[f"{need.id}@{ref.id}"] = replace(made, id=f"{need.id}@{ref.id}")
    return tuple(found.values())


def _same_subject(one: DataNeed, other: DataNeed) -> bool:
    return one.check == other.check and all(
        one.terms.get(name) == other.terms.get(name) for name in ("question", "purpose", "of")
    )


def promotion(current: Sequence[Placed], rules: Sequence[EffectiveRule] = ()) -> EffectivePromotion:
    """What a promotion must show: the strictest of every document.

    Args:
        current: Documents in force.
        rules: Rules in force; those that are audited get the terms of every ``otherwise`` whose document does
            not name them itself.
    """
    demands: list[tuple[DocumentRef, Promotion]] = []
    demonstration = False
    for ref, document in current:
        if isinstance(document, TierTwoDocument):
            demonstration |= document.purpose == "demonstration"
            if document.promotion is not None:
                demands.append((ref, document.promotion))
    limits: dict[tuple[str, Direction], PromotionNeed] = {}
    for ref, demand in demands:
        for limit in demand.limits:
            key = (limit.rule, limit.direction)
            limits[key] = _meet(limits.get(key), key, limit, ref)
    for ref, demand in demands:
        # INVARIANT: a document's own limits alone are left out here. If those of a lower one were too, it
        # could name a rule to get laxer terms than `otherwise` of the documents above demands.
        named = {(limit.rule, limit.direction) for limit in demand.limits}
        for rule in rules if demand.otherwise is not None else ():
            key = (rule.id, rule.direction)
            if rule.is_audited and key not in named and demand.otherwise is not None:
                limits[key] = _meet(limits.get(key), key, demand.otherwise, ref)
    return EffectivePromotion(
        limits=tuple(limits[key] for key in sorted(limits)),
        approvals=tuple(
            ApprovalNeed(roles=frozenset(d.approvals.roles), threshold=d.approvals.threshold, document=ref)
            for ref, d in demands
            if d.approvals is not None
        ),
        validity_days=min((d.validity_days for _, d in demands if d.validity_days is not None), default=None),
        curtail=all(stated := [d.curtail for _, d in demands if d.curtail is not None]) and bool(stated),
        error_budget=min((d.error_budget for _, d in demands if d.error_budget is not None), default=None),
        aliases=frozenset(alias for _, demand in demands for alias in demand.aliases),
        strata=tuple(
            demand.strata.model_dump(mode="python") for _, demand in demands if demand.strata is not None
        ),
        otherwise={
            ref.id: d.otherwise.model_dump(mode="json") for ref, d in demands if d.otherwise is not None
        },
        is_demonstration=demonstration,
    )


def _meet(
    before: PromotionNeed | None, key: tuple[str, Direction], limit: PromotionTerms, ref: DocumentRef
) -> PromotionNeed:
    rule, direction = key
    evidence = frozenset(map(EvidenceGrade, limit.evidence))
    if rule.startswith("T1."):
        evidence -= {EvidenceGrade.C}  # a judge alone never passes a Tier One rule
    if before is None:
        return PromotionNeed(
            rule=rule,
            direction=direction,
            max_rate=limit.max_rate,
            confidence=limit.confidence,
            families=limit.families,
            allow=limit.allow,
            evidence=evidence,
            anytime=limit.anytime,
            documents=(ref,),
        )
    return PromotionNeed(
        rule=rule,
        direction=direction,
        max_rate=min(before.max_rate, limit.max_rate),
        confidence=max(before.confidence, limit.confidence),
        families=max(before.families, limit.families),
        allow=min(before.allow, limit.allow),
        evidence=before.evidence & evidence,
        anytime=before.anytime and limit.anytime,
        documents=(*before.documents, ref),
    )
