"""What the catalogue page shows of a policy in force, ready for its template: rules, dimensions, the outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from governance import taxonomy
from governance.policy.domain import (
    Choices,
    Domain,
    Interval,
    contains,
    from_micro,
    grid_ends,
    is_empty,
    to_micro,
)
from governance.policy.model import EffectiveDimension, EffectivePolicy, EffectiveRule, Narrowing, holds
from governance.policy.resolve import Resolution, Unhonoured
from governance.tiers import Tier
from infra.web import policy_words as words

__all__ = [
    "Bar",
    "DimensionView",
    "Narrowed",
    "Option",
    "Outcome",
    "RuleView",
    "dimension_view",
    "outcomes",
    "rule_view",
    "rules_of",
    "summary",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule in words. ``holds`` is False where the context that was said excludes it."""

    rule: EffectiveRule
    kind: str
    holds: bool
    when: str
    limits: tuple[tuple[str, str], ...]
    risks: tuple[tuple[str, str], ...]
    since: str | None
    until: str | None
    is_pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Who narrows a dimension to what. A declaration of the dimension is ``rule`` None."""

    rule: str | None
    tier: str
    owner: str
    leaves: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A value one could wish, and whether it is left in this context."""

    value: str
    label: str
    is_left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A range drawn: the slider's ends, where it stands, and where the allowed part lies in hundredths of it."""

    low: int | float
    high: int | float
    step: int | float
    at: int | float
    left_from: float
    left_width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionView:
    """An aspect of behaviour as the page shows it."""

    id: str
    name: str
    kind: str
    statement: str
    rationale: str | None
    unit: str | None
    left: str
    is_settable: bool
    clips: bool
    default: str | None
    shown: str
    narrowed: tuple[Narrowed, ...]
    options: tuple[Option, ...]
    bar: Bar | None
    wish: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one wish or default."""

    state: str  # honoured, clipped or denied
    source: str
    name: str
    wish: str
    becomes: str | None
    rule: str | None
    tier: str | None
    owner: str | None
    contact: str | None
    reason: str | None


def rule_view(
    rule: EffectiveRule, context: Mapping[str, str] | None = None, *, is_pending: bool = False
) -> RuleView:
    """A rule in words, seen from a context."""
    entries = taxonomy.entries()
    return RuleView(
        rule=rule,
        kind=str(rule.kind),
        holds=rule.holds_in(context or {}),
        when=words.when_words(rule.when),
        limits=tuple(
            (words.name(dimension), words.domain_words(domain))
            for dimension, domain in sorted(rule.limits.items())
        ),
        risks=tuple((code, entries[code].name) for code in rule.risks),
        since=words.day(rule.since),
        until=words.day(rule.until),
        is_pending=is_pending,
    )


def rules_of(policy: EffectivePolicy, tier: Tier, context: Mapping[str, str]) -> dict[str, list[RuleView]]:
    """The rules of a tier by the digest of the document that set them, those to come last."""
    found: dict[str, list[RuleView]] = {ref.digest: [] for ref in policy.documents if ref.tier is tier}
    for rules, is_pending in ((policy.rules, False), (policy.pending, True)):
        for rule in rules:
            if rule.tier is tier:
                found[rule.document.digest].append(rule_view(rule, context, is_pending=is_pending))
    return found


def dimension_view(
    dimension: EffectiveDimension, policy: EffectivePolicy, context: Mapping[str, str], wish: Any = None
) -> DimensionView:
    """A dimension in a context."""
    left = dimension.allowed(context, policy.context)
    bar = _bar(dimension, left, wish) if dimension.kind == "range" else None
    unsaid = [name for name in dimension.attributes if context.get(name) not in policy.context.get(name, ())]
    return DimensionView(
        id=dimension.id,
        name=words.name(dimension.id),
        kind=dimension.kind,
        statement=dimension.statement,
        rationale=dimension.rationale,
        unit=dimension.unit,
        left=_left_words(left, dimension.unit, unsaid),
        is_settable="end_user" in dimension.settable_by,
        clips=dimension.outside == "clip",
        default=words.value_words(dimension.defaults[0].value, dimension.unit)
        if dimension.defaults
        else None,
        shown=words.value_words(bar.at, dimension.unit) if bar else "",
        narrowed=tuple(_narrowed(one, dimension, context) for one in dimension.narrowings),
        options=_options(dimension, left, wish),
        bar=bar,
        wish=wish,
    )


def _left_words(left: Domain, unit: str | None, unsaid: Iterable[str]) -> str:
    if missing := words.listed(map(words.word, unsaid)):
        return f"nothing, as long as the {missing} is not said"
    return words.domain_words(left, unit)


def _narrowed(one: Narrowing, dimension: EffectiveDimension, context: Mapping[str, str]) -> Narrowed:
    return Narrowed(
        rule=None if one.rule.startswith("dimension.") else one.rule,
        tier=one.document.tier.name.capitalize(),
        owner=one.document.owner,
        leaves=words.domain_words(one.domain, dimension.unit),
        holds=holds(one.when, context),
    )


def _options(dimension: EffectiveDimension, left: Domain, wish: Any) -> tuple[Option, ...]:
    """Every value that some document names, so that a visitor can also wish for what is not left."""
    match dimension.kind:
        case "flag":
            return tuple(
                Option(
                    value=str(value).lower(), label=words.value_words(value), is_left=contains(left, value)
                )
                for value in (True, False)
            )
        case "choice":
            named = list(dimension.values)
            for narrowing in dimension.narrowings:
                if isinstance(narrowing.domain, Choices):
                    named += sorted(str(v) for v in narrowing.domain.values if v not in named)
            if isinstance(wish, str) and wish not in named:
                named.append(wish)
            return tuple(Option(value=v, label=words.word(v), is_left=contains(left, v)) for v in named)
        case _:
            return ()


def _bar(dimension: EffectiveDimension, left: Domain, wish: Any) -> Bar | None:
    """The slider spans what the widest declaration offers; what rules took away stays visible."""
    declared = [
        narrowing.domain
        for narrowing in dimension.narrowings
        if narrowing.rule.startswith("dimension.") and isinstance(narrowing.domain, Interval)
    ]
    if not declared:
        return None
    low, high = min(d.low for d in declared), max(d.high for d in declared)
    begins, width = -1.0, 0.0
    if isinstance(left, Interval) and not is_empty(left) and high > low:
        first, last = grid_ends(left)
        begins = round((first - low) * 100 / (high - low), 3)
        width = max(1.5, round((last - first) * 100 / (high - low), 3))
    at = next((v for v in (wish, *(d.value for d in dimension.defaults)) if to_micro(v) is not None), None)
    return Bar(
        low=from_micro(low),
        high=from_micro(high),
        step=from_micro(min(d.step for d in declared)),
        at=from_micro(low if at is None else min(max(to_micro(at) or 0, low), high)),
        left_from=begins,
        left_width=width,
    )


def outcomes(answer: Resolution) -> list[Outcome]:
    """What became of every wish of the person and their group, then of every default that fell away."""
    found = [
        Outcome(
            state="honoured",
            source=source,
            name=words.name(dimension),
            wish=words.value_words(setting.value, answer.policy.dimensions[dimension].unit),
            becomes=None,
            rule=None,
            tier=None,
            owner=None,
            contact=None,
            reason=None,
        )
        for dimension, setting in answer.chosen.items()
        if (source := setting.source) in {"person", "group"}
        and dimension not in {wish.dimension for wish in answer.clipped}
    ]
    found += [_unhonoured(wish, answer, "clipped") for wish in answer.clipped]
    found += [_unhonoured(wish, answer, "denied") for wish in answer.denied]
    return sorted(found, key=lambda one: one.source not in {"person", "group"})


def _unhonoured(wish: Unhonoured, answer: Resolution, state: str) -> Outcome:
    dimension = answer.policy.dimensions.get(wish.dimension)
    unit = dimension.unit if dimension else None
    narrowing = next((n for n in dimension.narrowings if n.rule == wish.rule), None) if dimension else None
    rule = answer.policy.rule(wish.rule)
    by = next((ref for ref in answer.documents if f"{ref.id}@{ref.version}" == wish.document), None)
    return Outcome(
        state=state,
        source=wish.source,
        name=words.name(wish.dimension),
        wish=words.value_words(wish.wish, unit),
        becomes=None if wish.value is None else words.value_words(wish.value, unit),
        rule=rule.id if rule else None,
        tier=by.tier.name.capitalize() if by else None,
        owner=by.owner if by else None,
        contact=by.contact if by else None,
        reason=_why(wish, rule, None if narrowing is None else words.domain_words(narrowing.domain, unit)),
    )


def _why(wish: Unhonoured, rule: EffectiveRule | None, leaves: str | None) -> str:
    """The reason for people: the rule's own statement and what it leaves, else the engine's sentence."""
    if rule is None:
        return f"Offered: {leaves}." if leaves else f"{wish.reason[:1].upper()}{wish.reason[1:]}."
    return f"{rule.statement} It leaves {leaves}." if leaves else rule.statement


def summary(found: Iterable[Outcome]) -> str:
    """One sentence: how many wishes were honoured, clipped and denied."""
    states = [one.state for one in found if one.source == "person"]
    if not states:
        return "No wish yet: the defaults are in force."
    counts = {state: states.count(state) for state in ("honoured", "clipped", "denied")}
    return words.listed(f"{count} {state}" for state, count in counts.items()) + "."
