"""From the command line's words to a plan: policy, probes, profiles, attacks, and the release they must not stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from governance import taxonomy
from governance.audit.attacks import with_attacks
from governance.audit.contamination import contaminated, without_contaminated
from governance.audit.personas import ResolvedPersona, bounds_requests, resolve_persona
from governance.audit.plan import AuditPlan, Cell, make_plan
from governance.audit.responses import NO_PERSONA
from governance.counted import counted_by
from governance.errors import InputError
from governance.policy.circumstances import check_circumstances
from governance.policy.compose import compose
from governance.policy.document import TierThreeDocument
from governance.policy.model import EffectivePolicy
from governance.wording import many
from infra.demo_files import demo_personas, demo_probes, shipped_attacks, shipped_carriers
from infra.policy_files import load_all, load_pack
from infra.release_prompts import read_prompts
from infra.subjects import read_probes

__all__ = ["Wanted", "plan_as_json", "plan_of", "show_plan"]

DEMO_PERSONAS: Final = "demo-personas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a plan is to hold.

    Attributes:
        policies: Packs, files or folders.
        probes: Probe file, or ``demo`` for the shipped set.
        profiles: Tier Three packs or files; ``demo-personas`` for those that are shipped.
        context: ``attribute=value`` circumstances that are vouched for.
        attack: Families of each rule that are pressed; 0 for none.
        bounds: Whether the personas' wishes are tried.
        against: Releases (folders or files) that must not hold the probes.
    """

    policies: Sequence[str]
    probes: str | Path
    profiles: Sequence[str] = ()
    context: Sequence[str] = ()
    attack: int = 0
    bounds: bool = True
    against: Sequence[Path] = ()
    seed: int = 0


def plan_of(wanted: Wanted) -> AuditPlan:
    """The plan.

    Raises:
        InputError: Anything of it cannot be used.
    """
    if not wanted.policies:
        raise InputError("a plan needs a policy", field="--policy", expected="a pack, file or folder")
    policy = compose(load_all(wanted.policies), at=datetime.now(UTC))
    context = _context(wanted.context)
    check_circumstances(policy, context)
    probes = demo_probes() if str(wanted.probes) == "demo" else read_probes(wanted.probes)
    for release in wanted.against:
        hits = contaminated(probes.probes, read_prompts(release))
        probes = without_contaminated(probes, hits, source=release.name)
    if wanted.attack:
        probes = with_attacks(probes, shipped_attacks(), families=wanted.attack, seed=wanted.seed)
    resolved = _personas(policy, wanted.profiles, context)
    bounds = (
        bounds_requests(resolved, shipped_carriers(), shipped_attacks(), seed=wanted.seed)
        if wanted.bounds
        else ()
    )
    return make_plan(
        policy,
        probes,
        personas=(NO_PERSONA, *(each.persona for each in resolved)),
        seed=wanted.seed,
        resolved=resolved,
        bounds=bounds,
        context=context or None,
    )


def _context(given: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if wrong := next((each for each in given if not all(each.partition("="))), None):
        raise InputError("not ATTRIBUTE=VALUE", field="--context", value=wrong, expected="age_band=adult")
    return {name: value for name, _, value in pairs}


def _personas(
    policy: EffectivePolicy, profiles: Sequence[str], context: Mapping[str, str]
) -> list[ResolvedPersona]:
    found: list[ResolvedPersona] = []
    for name in profiles:
        if name == DEMO_PERSONAS:
            found += [
                resolve_persona(policy, each.id, each.wishes, context={**each.context, **context})
                for each in demo_personas()
            ]
            continue
        for document in load_pack(name):
            if not isinstance(document, TierThreeDocument):
                raise InputError(
                    "not a profile", field="--profile", value=name, expected="Tier Three documents"
                )
            found.append(resolve_persona(policy, document.id, document, context=context))
    twice = [name for name, count in Counter(each.persona.id for each in found).items() if count > 1]
    if twice:
        raise InputError("the persona stands twice", field="--profile", value=twice[0])
    return found


def plan_as_json(plan: AuditPlan) -> dict[str, Any]:
    """The plan in full; prompts are named, never shown."""
    codes = {code for code in taxonomy.codes() if ".R." in code}
    cells_of: dict[tuple[str, str], list[Cell]] = {}
    for cell in plan.cells:
        for request in plan.asked(cell):
            cells_of.setdefault(request.key, []).append(cell)
    return {
        "digest": plan.digest,
        "policy": plan.policy_digest,
        "probe_set": {"name": plan.probe_set.name, "digest": plan.probe_set.digest},
        "seed": plan.seed,
        "cells": [{**cell.as_json(), "asked_families": _families(plan, cell)} for cell in plan.cells],
        "unevaluated": [
            {"rule": gap.rule, "direction": gap.direction.value, "reason": gap.reason}
            for gap in plan.unevaluated
        ],
        "personas": [
            {
                "id": each.persona.id,
                "place": each.place.value,
                "wishes": [wish.as_json() for wish in each.wishes],
            }
            for each in plan.resolved
        ],
        "risks": {"covered": sorted(plan.covered_risks), "uncovered": sorted(codes - plan.covered_risks)},
        "assumptions": list(plan.probe_set.assumptions),
        "requests": [
            {
                "place": place,
                "probe": request.probe.id,
                "persona": request.persona.id,
                "rules": sorted({cell.rule for cell in cells_of.get(request.key, ())} or request.probe.rules),
                "judges": sorted({cell.judge or "*" for cell in cells_of.get(request.key, ())} or {"manner"}),
            }
            for place, request in enumerate(plan.requests)
        ],
    }


def _families(plan: AuditPlan, cell: Cell) -> int:
    return len({request.probe.family for request in plan.asked(cell)})


def show_plan(plan: AuditPlan) -> None:
    """The plan for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("rule", "counts", "asked", "families", "plan (n, c)", "below", "grades", "judge"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"asked", "families"} else "left")
    for cell in plan.cells:
        table.add_row(
            cell.rule,
            counted_by(cell.rule, cell.direction),
            f"{len(plan.asked(cell)):,}",
            f"{_families(plan, cell):,}",
            f"{cell.families:,}, {cell.allow}",
            f"{100 * cell.max_rate:g} %",
            "".join(sorted(cell.evidence)),
            cell.judge or "any",
        )
    console.print(table)
    for gap in plan.unevaluated:
        console.print(f"  {gap.rule} ({counted_by(gap.rule, gap.direction)}): {gap.reason}")
    for each in plan.resolved:
        wishes = "; ".join(
            f"{wish.dimension} {wish.place.value}" + (f" ({wish.rule})" if wish.rule else "")
            for wish in each.wishes
        )
        console.print(f"  persona {each.persona.id}: {each.place.value}; {wishes or 'no wish'}")
    shown = plan_as_json(plan)
    console.print(f"  risks covered: {', '.join(shown['risks']['covered']) or 'none'}")
    console.print(f"  risks uncovered: {', '.join(shown['risks']['uncovered']) or 'none'}")
    for said in plan.probe_set.assumptions:
        console.print(f"  {said}")
    tried = f", {len(plan.bounds):,} of them about the bounds of wishes" if plan.bounds else ""
    console.print(
        f"{many(len(plan.requests), 'request')} under {many(len(plan.personas), 'persona')}{tried}; seed {plan.seed}"
    )
    console.print(f"plan {plan.digest}")
