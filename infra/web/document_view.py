"""One policy document in words, for its own page."""

from __future__ import annotations

from dataclasses import dataclass

from governance.counted import counted_by
from governance.policy.convert import declared_domain, effective_rule
from governance.policy.document import TierTwoDocument
from governance.policy.needs import Promotion
from infra.policy_cache import Held
from infra.web import policy_words as words
from infra.web.catalogue_view import RuleView, rule_view

__all__ = ["DeclaredView", "DocumentView", "Terms", "document_view"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredView:
    """A dimension as one document declares it."""

    name: str
    statement: str
    rationale: str | None
    offers: str
    default: str | None
    settable_by: str
    outside: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A row of what must be shown before a promotion."""

    rule: str
    counts: str
    below: str
    confidence: str
    families: int
    allow: int
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """A document in words."""

    where: str
    since: str | None
    until: str | None
    rests_on: tuple[tuple[str, str], ...]
    rules: tuple[RuleView, ...]
    dimensions: tuple[DeclaredView, ...]
    data: tuple[tuple[str, str], ...]
    terms: tuple[Terms, ...]
    promotion: tuple[str, ...]


def document_view(held: Held) -> DocumentView:
    """The document of ``held`` in words."""
    document = held.document
    tier_two = document if isinstance(document, TierTwoDocument) else None
    promotion = tier_two.promotion if tier_two else None
    places = words.listed(getattr(document, "jurisdictions", ())) or "everywhere"
    applications = words.listed(getattr(document, "applications", ()))
    return DocumentView(
        where=places + (f", for {applications}" if applications else ""),
        since=words.day(document.effective.from_),
        until=words.day(document.effective.until),
        rests_on=tuple((pin.id, pin.digest) for pin in getattr(document, "extends", ())),
        rules=tuple(
            rule_view(effective_rule(rule, document, held.ref)) for rule in getattr(document, "rules", ())
        ),
        dimensions=_declared(tier_two) if tier_two else (),
        data=tuple((need.id, words.check_words(need)) for need in tier_two.data) if tier_two else (),
        terms=_terms(promotion) if promotion else (),
        promotion=_sentences(promotion) if promotion else (),
    )


def _declared(document: TierTwoDocument) -> tuple[DeclaredView, ...]:
    return tuple(
        DeclaredView(
            name=words.name(one.id),
            statement=one.statement,
            rationale=one.rationale,
            offers=words.domain_words(declared_domain(one), getattr(one, "unit", None)),
            default=None
            if one.default is None
            else words.value_words(one.default, getattr(one, "unit", None)),
            settable_by=words.listed(who.replace("_", " ") for who in one.settable_by),
            outside="moved to the nearest value inside"
            if getattr(one, "outside", "deny") == "clip"
            else "denied",
        )
        for one in document.dimensions
    )


def _terms(promotion: Promotion) -> tuple[Terms, ...]:
    named = [
        (limit.rule, counted_by(limit.rule, limit.direction).in_words, limit) for limit in promotion.limits
    ]
    rest = (
        [("every other audited rule", "what it is audited for", promotion.otherwise)]
        if promotion.otherwise
        else []
    )
    return tuple(
        Terms(
            rule=rule,
            counts=counts,
            below=words.share(term.max_rate),
            confidence=words.share(term.confidence),
            families=term.families,
            allow=term.allow,
            evidence=words.listed(sorted(str(grade) for grade in term.evidence), "or"),
        )
        for rule, counts, term in (*named, *rest)
    )


def _sentences(promotion: Promotion) -> tuple[str, ...]:
    found = []
    if promotion.approvals:
        roles = words.listed((role.replace("-", " ") for role in promotion.approvals.roles), "or")
        found.append(f"{promotion.approvals.threshold} different persons sign, each a {roles}.")
    if promotion.aliases:
        found.append(f"Protected: the alias {words.listed(promotion.aliases)}.")
    if promotion.validity_days:
        found.append(f"A decision stays live for {promotion.validity_days} days.")
    if promotion.strata:
        found.append(words.strata_words(promotion.strata))
    if promotion.notes:
        found.append(promotion.notes)
    return tuple(found)
