"""The plan of an audit: from the policy in force, the probes and the personas, before anything is asked.

One cell for each rule and direction that the policy sets a limit for; one open question for each rule it
sets none for. The plan is a value with a digest: the same policy, probes, personas and seed give the same
plan, and an audit that was planned otherwise is another audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from governance.audit.personas import ResolvedPersona
from governance.audit.probes import Expectation, Probe, ProbeSet
from governance.audit.responses import NO_PERSONA, Persona, Request
from governance.digest import digest
from governance.policy.circumstances import check_circumstances
from governance.policy.model import DocumentRef, EffectivePolicy, EffectiveRule, PromotionNeed
from governance.tiers import BOUNDS_RULES, Direction, EvidenceGrade, Tier

__all__ = ["AuditPlan", "Cell", "PolicyRef", "Unevaluated", "make_plan"]

_ASKED: dict[Direction, frozenset[Expectation]] = {
    Direction.VIOLATION: frozenset({Expectation.REFUSE, Expectation.PROPERTY}),
    Direction.OVER_REFUSAL: frozenset({Expectation.COMPLY}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    """A policy document the audit was made under."""

    id: str
    version: str
    digest: str
    tier: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"id": self.id, "version": self.version, "digest": self.digest, "tier": self.tier}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One rule in one direction: what is asked for it and what it takes to pass.

    Attributes:
        rule: Rule id; ``statement`` is its text and ``owner`` whom to ask about it.
        max_rate: Violation rate that must be shown not to be reached, with ``confidence``.
        families: Independent families the plan asks for; ``allow`` how many of them may violate.
        evidence: Grades that may pass the rule.
        judge: Id of the judge that the policy names.
        anytime: Whether an e-value decides, declared beforehand, instead of the fixed plan.
        probes: Ids of the probes that try the rule, sorted.
        curtail: Whether asking stops once no answer could change the verdict (:mod:`governance.audit.curtailment`).
    """

    rule: str
    statement: str
    owner: str
    tier: Tier
    risks: tuple[str, ...]
    direction: Direction
    max_rate: float
    confidence: float
    families: int
    allow: int
    evidence: frozenset[EvidenceGrade]
    judge: str | None
    anytime: bool
    probes: tuple[str, ...]
    curtail: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rule": self.rule,
            "direction": self.direction.value,
            "tier": int(self.tier),
            "max_rate": self.max_rate,
            "confidence": self.confidence,
            "families": self.families,
            "allow": self.allow,
            "evidence": sorted(grade.value for grade in self.evidence),
            "judge": self.judge,
            "anytime": self.anytime,
            "probes": list(self.probes),
            **({"curtail": True} if self.curtail else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unevaluated:
    """A rule in force that this audit cannot try, and why. It blocks: unmeasured is not passed."""

    rule: str
    statement: str
    owner: str
    tier: Tier
    risks: tuple[str, ...]
    direction: Direction
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """Everything that will be asked, for which rules, and what decides.

    ``error_budget`` is what the policy lets all versions of a model spend on one probe set.
    """

    cells: tuple[Cell, ...]
    unevaluated: tuple[Unevaluated, ...]
    probe_set: ProbeSet
    personas: tuple[Persona, ...]
    policy: tuple[PolicyRef, ...]
    policy_digest: str
    is_demonstration: bool
    seed: int
    resolved: tuple[ResolvedPersona, ...] = ()
    bounds: tuple[Request, ...] = ()
    error_budget: float | None = None

    @property
    def covered_risks(self) -> frozenset[str]:
        """Risk codes of the rules that the plan tries."""
        return frozenset(code for cell in self.cells for code in cell.risks)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every probe of every cell under every persona, and what tries bounds, in an order drawn from the seed."""
        by_id = self.probe_set.by_id
        used = sorted({probe for cell in self.cells for probe in cell.probes} & by_id.keys())
        asked = [Request(probe=by_id[probe], persona=persona) for probe in used for persona in self.personas]
        asked += self.bounds
        return tuple(sorted(asked, key=lambda request: digest([self.seed, *request.key])))

    def asked(self, cell: Cell) -> tuple[Request, ...]:
        """What is asked for one cell."""
        if cell.rule in BOUNDS_RULES:
            return tuple(request for request in self.bounds if cell.rule in request.probe.rules)
        by_id = self.probe_set.by_id
        return tuple(
            Request(probe=by_id[probe], persona=persona) for probe in cell.probes for persona in self.personas
        )

    @property
    def digest(self) -> str:
        """Identity of the plan."""
        tried = sorted(
            (request.probe.id, request.persona.id, digest(request.probe.as_json())) for request in self.bounds
        )
        return digest(
            {
                "policy": self.policy_digest,
                "probes": self.probe_set.digest,
                "personas": sorted(
                    (persona.as_json() for persona in self.personas), key=lambda p: str(p["id"])
                ),
                "cells": [cell.as_json() for cell in self.cells],
                "unevaluated": [[gap.rule, gap.direction.value] for gap in self.unevaluated],
                "seed": self.seed,
            }
            | ({"bounds": [list(each) for each in tried]} if tried else {})
        )


def make_plan(
    policy: EffectivePolicy,
    probes: ProbeSet,
    *,
    personas: Sequence[Persona] = (NO_PERSONA,),
    seed: int = 0,
    resolved: Sequence[ResolvedPersona] = (),
    bounds: Sequence[Request] = (),
    context: Mapping[str, str] | None = None,
) -> AuditPlan:
    """The plan for a policy. Rules without a limit, or without any probe, are kept as open questions.

    Args:
        policy: In force.
        probes: What is asked.
        personas: Under whom everything is asked.
        seed: Draws the order.
        resolved: What became of the personas' wishes, for the report.
        bounds: Requests that try the bounds of wishes (:func:`governance.audit.personas.bounds_requests`).
        context: Circumstances (age band, …): rules that do not hold in them are left out. None: all rules.

    Raises:
        ValueError: No persona, or two of the same id.
        InputError: A circumstance that no document knows.
    """
    check_circumstances(policy, context or {})
    if not personas or len({persona.id for persona in personas}) != len(personas):
        raise ValueError("a plan needs at least one persona, and each id once")
    cells: list[Cell] = []
    gaps: list[Unevaluated] = []
    in_force = policy.rules if context is None else policy.rules_in(context)
    rules = {rule.id: rule for rule in in_force}
    absent = {rule.id for rule in policy.rules} - rules.keys()
    limited: set[str] = set()
    for need in policy.promotion.limits:
        if need.rule in absent:
            continue
        limited.add(need.rule)
        if need.rule in BOUNDS_RULES:
            if cell := _bounds_cell(need, bounds):
                cells.append(cell)
            else:
                gaps.append(_untried(need))
            continue
        if need.rule not in rules:
            gaps.append(_unknown(need))
            continue
        rule = rules[need.rule]
        chosen = _chosen(rule, need.direction, probes.probes)
        if chosen:
            cells.append(_cell(rule, need, chosen, curtail=policy.promotion.curtail))
        else:
            gaps.append(_gap(rule, need.direction, "not evaluated: no probe of the set tries this rule"))
    gaps += [
        _gap(rule, rule.direction, "not evaluated: no promotion requirement sets a limit for this rule")
        for rule in in_force
        # A rule that only limits dimensions acts when a profile is resolved: the model never sees the wish.
        if rule.id not in limited and (rule.is_audited or not rule.limits)
    ]
    return AuditPlan(
        cells=tuple(sorted(cells, key=lambda cell: (cell.tier, cell.rule, cell.direction))),
        unevaluated=tuple(sorted(gaps, key=lambda gap: (gap.tier, gap.rule, gap.direction))),
        probe_set=probes,
        personas=tuple(personas),
        policy=tuple(map(_ref, policy.documents)),
        policy_digest=policy.digest,
        is_demonstration=policy.promotion.is_demonstration,
        seed=seed,
        resolved=tuple(resolved),
        bounds=tuple(bounds),
        error_budget=policy.promotion.error_budget,
    )


_BOUNDS_STATEMENTS: Final = {
    "B.honoured": "Honour what a person wishes inside the bounds.",
    "B.kept": "Keep the bounds of personalisation, also when the person insists.",
}


def _bounds_cell(need: PromotionNeed, bounds: Sequence[Request]) -> Cell | None:
    tried = sorted(request.probe.id for request in bounds if need.rule in request.probe.rules)
    if not tried:
        return None
    return Cell(
        rule=need.rule,
        statement=_BOUNDS_STATEMENTS[need.rule],
        owner=need.documents[0].owner,
        tier=Tier.TWO,
        risks=(),
        direction=need.direction,
        max_rate=need.max_rate,
        confidence=need.confidence,
        families=need.families,
        allow=need.allow,
        evidence=need.evidence,
        judge="manner",
        anytime=need.anytime,
        probes=tuple(tried),
    )


def _untried(need: PromotionNeed) -> Unevaluated:
    return Unevaluated(
        rule=need.rule,
        statement=_BOUNDS_STATEMENTS[need.rule],
        owner=need.documents[0].owner,
        tier=Tier.TWO,
        risks=(),
        direction=need.direction,
        reason="not evaluated: no persona's wish tries it",
    )


def _chosen(rule: EffectiveRule, direction: Direction, probes: Iterable[Probe]) -> tuple[str, ...]:
    asked = _ASKED[direction]
    return tuple(
        sorted(
            probe.id for probe in probes if probe.expectation in asked and probe.tries(rule.id, rule.probes)
        )
    )


def _cell(rule: EffectiveRule, need: PromotionNeed, probes: tuple[str, ...], *, curtail: bool) -> Cell:
    return Cell(
        rule=rule.id,
        statement=rule.statement,
        owner=rule.owner,
        tier=rule.tier,
        risks=rule.risks,
        direction=need.direction,
        max_rate=need.max_rate,
        confidence=need.confidence,
        families=need.families,
        allow=need.allow,
        evidence=need.evidence,
        judge=rule.judge,
        anytime=need.anytime,
        probes=probes,
        curtail=curtail,
    )


def _gap(rule: EffectiveRule, direction: Direction, reason: str) -> Unevaluated:
    return Unevaluated(
        rule=rule.id,
        statement=rule.statement,
        owner=rule.owner,
        tier=rule.tier,
        risks=rule.risks,
        direction=direction,
        reason=reason,
    )


def _unknown(need: PromotionNeed) -> Unevaluated:
    return Unevaluated(
        rule=need.rule,
        statement="",
        owner=need.documents[0].owner,
        tier=Tier.ONE if need.rule.startswith("T1.") else Tier.TWO,
        risks=(),
        direction=need.direction,
        reason="not evaluated: a limit is set for this rule, but no document in force holds it",
    )


def _ref(document: DocumentRef) -> PolicyRef:
    return PolicyRef(
        id=document.id, version=document.version, digest=document.digest, tier=int(document.tier)
    )
