"""A model card and a draft of the technical documentation of the EU AI Act (Annex IV), filled from the record only.

What the record does not hold is named as a gap in its place, for the person who has to write it: nothing is guessed,
and no gap is left out because it is long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from annotation.ports import ObjectStore
from governance.decision import Decision, stamp
from governance.errors import InputError
from governance.provenance import Trust
from infra import ledger
from infra.database import Database
from infra.history import Stay, history

__all__ = ["Dossier", "annex_iv", "gather", "model_card"]

GAP: Final = "**Gap.** "


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What the record knows of one version."""

    decision: Decision
    decision_digest: str
    stays: tuple[Stay, ...]
    release: Mapping[str, Any] | None
    others: tuple[ledger.Decision, ...]
    made: datetime


def gather(
    db: Database, store: ObjectStore, model: str, version: str, *, trust: Trust, now: datetime
) -> Dossier:
    """What is known of a version.

    Raises:
        InputError: Nothing was decided about it.
    """
    rows = [row for row in ledger.decisions(db) if row.model == model]
    mine = [row for row in rows if row.version == version]
    if not mine:
        raise InputError(
            "nothing was decided about this version", field="version", value=f"{model} {version}"
        )
    decision = Decision.from_envelope(mine[-1].envelope.encode())
    found = next((row for row in ledger.releases(db) if row.digest == decision.release), None)
    release = (
        json.loads(store.get_file("releases", found.tree, "release.json")) if found and found.tree else None
    )
    return Dossier(
        decision=decision,
        decision_digest=mine[-1].digest,
        stays=tuple(history(db, model, trust=trust)),
        release=release,
        others=tuple(row for row in rows if row.version != version),
        made=now,
    )


def model_card(about: Dossier) -> str:
    """A model card in Markdown."""
    said = about.decision
    lines = [
        f"# {said.model}, version {said.version}",
        "",
        f"Made {stamp(about.made)} from the record; decision `{about.decision_digest}`.",
        "",
        "## Details",
        "",
        f"- Files: `{said.artifact}`",
        f"- Verdict: **{said.verdict}**, issued {stamp(said.issued)}, until {stamp(said.expires)}",
        f"- Good for: {', '.join(said.aliases)}",
        GAP + "Who made the model, its type, its licence and its contact are not in the record.",
        "",
        "## Intended use",
        "",
        *_target(about),
        GAP + "Uses out of scope are not in the record beyond the policies below.",
        "",
        "## Evaluation",
        "",
        *_findings(said),
        "",
        "## Training data",
        "",
        *_data(about),
        "",
        "## Policies",
        "",
        *_policies(said),
        "",
        "## In use",
        "",
        *_stays(about),
        "",
        "## Limits",
        "",
        "An audit bounds how often stated rules are broken on prompts like those asked. It does not show that a model is safe.",
        *(
            ["", "It rests on **simulated evidence** and is good for a demonstration only."]
            if said.demonstration
            else []
        ),
    ]
    return "\n".join(lines) + "\n"


def annex_iv(about: Dossier) -> str:
    """A draft of Annex IV's technical documentation in Markdown, point by point, gaps named."""
    said = about.decision
    parts: list[tuple[str, list[str]]] = [
        ("1. General description of the AI system", [
            f"Model `{said.model}`, version {said.version}; files `{said.artifact}`.",
            *_target(about),
            GAP + "Intended purpose of the system, its provider, hardware and software it runs on or interacts with, the forms in which it is placed on the market, its user interface, and instructions for use.",
        ]),
        ("2. Elements of the system and its development", [
            "Data requirements (point 2 d):", "", *_data(about), "",
            "Validation and testing (point 2 g), each test report signed and named by its digest:", "", *_findings(said), "",
            f"Audit report `{said.audit}`, plan `{said.plan}`, signed decision `{about.decision_digest}`.", "",
            "Human oversight (point 2 e): " + _oversight(said),
            GAP + "Methods and third-party tools used, design choices and architecture, computing resources, predetermined changes, cybersecurity measures.",
        ]),
        ("3. Monitoring, functioning and control", [
            "`bounds reaudit` judges every champion again where its policy, decision, approvals or files changed.",
            GAP + "Capabilities and limits for the people concerned, foreseeable unintended outcomes, specifications of input data.",
        ]),
        ("4. Appropriateness of the performance metrics", [
            "A rule passes only where the exact one-sided upper bound of its violation rate lies below the limit that a policy states; limits have an owner and a version.",
            GAP + "Why these rates and limits are right for this system.",
        ]),
        ("5. Risk management system (Article 9)", [
            "Risks that rules were audited against stand in the policies:", "", *_policies(said),
            GAP + "The risk management process itself, and risks without a rule.",
        ]),
        ("6. Changes through the lifecycle", [*_stays(about), *_others(about)]),
        ("7. Harmonised standards applied", [GAP + "No list is in the record."]),
        ("8. EU declaration of conformity", [GAP + "No declaration is in the record."]),
        ("9. Post-market monitoring (Article 72)", [GAP + "No plan is in the record. What people say of answers in use comes back through the feedback interface; what a plan does with it is not recorded."]),
    ]  # fmt: skip
    head = [
        f"# Technical documentation (draft): {said.model}, version {said.version}",
        "",
        (
            f"After Annex IV of Regulation (EU) 2024/1689. Made {stamp(about.made)} from the record only; whatever the record "
            "does not hold is marked **Gap** and has to be written by the provider. This draft is no conformity assessment."
        ),
    ]
    gaps = sum(line.startswith(GAP) for _, lines in parts for line in lines)
    body = [line for title, lines in parts for line in ("", f"## {title}", "", *_spaced(lines))]
    return "\n".join([*head, "", f"{gaps} gaps.", *body]) + "\n"


def _spaced(lines: list[str]) -> list[str]:
    return [out for line in lines for out in (("", line) if line.startswith(GAP) else (line,))]


def _target(about: Dossier) -> list[str]:
    if about.release is None:
        return [GAP + "No release is known behind the model, so no alignment target."]
    target = about.release.get("alignment_target") or {}
    return [
        f'"Better" in its data means: {target.get("better", "not said")}, for {target.get("for_whom", "not said")}.'
    ]


def _data(about: Dossier) -> list[str]:
    if about.release is None:
        return [GAP + "No release is known behind the model."]
    sources = about.release.get("sources") or {}
    lines = [
        f"- Release `{about.decision.release}`, as of {about.release.get('as_of', 'not said')}",
        *(
            f"- Items: {each.get('items', each.get('len', ''))} from {each.get('origin')}, licence {each.get('licence')}"
            for each in sources.get("items", ())
        ),
        *(
            f"- Judgements: {each.get('judgements')} from {each.get('source')} at {each.get('site')}"
            for each in sources.get("judgements", ())
        ),
        *(f"- Withheld, {name}: {why}" for name, why in (about.release.get("withheld") or {}).items()),
    ]
    return [*lines, "- Who judged, coverage and agreement: `card.md` and `figures.json` of the release"]


def _findings(said: Decision) -> list[str]:
    head = ["| rule | what it counts | what was found | evidence | verdict |", "|---|---|---|---|---|"]
    return head + [
        f"| {f['rule']} | {said.about(f)} | {_found(f)} | {f['grade'] or 'the data'} | "
        f"{f['verdict']}{_waived(said, f)} |"
        for f in said.findings
    ]


def _found(finding: Mapping[str, Any]) -> str:
    """What a finding rests on, as a cell of a table: the figures of what was counted, else its reasons."""
    if finding["families"]:
        bound = "" if finding["high"] is None else f", at most {100 * finding['high']:.2f} %"
        limit = "" if finding["limit"] is None else f", limit {100 * finding['limit']:.2f} %"
        return f"{finding['violations']} of {finding['families']} families violate{bound}{limit}"
    return " ".join("; ".join(map(str, finding.get("reasons") or ())).split()).replace("|", "\\|")


def _waived(said: Decision, finding: Mapping[str, Any]) -> str:
    found = said.waived(finding) if finding["verdict"] != "PASS" else None
    return f", waived until {stamp(found.until)} by `{found.waiver}`" if found else ""


def _policies(said: Decision) -> list[str]:
    return [f"- Tier {p['tier']}: {p['id']} {p['version']}, `{p['digest']}`" for p in said.policies]


def _oversight(said: Decision) -> str:
    if not said.approvals:
        return "the policy asks for no approval beside the audit."
    needs = "; ".join(f"{each.threshold} of {' or '.join(sorted(each.roles))}" for each in said.approvals)
    return f"approvals by different persons are demanded: {needs}."


def _stays(about: Dossier) -> list[str]:
    mine = [stay for stay in about.stays if stay.version == about.decision.version]
    return [
        f"- `{stay.alias}` from {stamp(stay.since)} to {stamp(stay.until) if stay.until else 'now'}"
        f"{', ' + stay.ended_by if stay.ended_by else ''}; signed by {', '.join(stay.signed_by) or 'nobody known'}"
        for stay in mine
    ] or ["- It has carried no alias."]


def _others(about: Dossier) -> list[str]:
    newest = {row.version: row for row in about.others}
    return [f"- Version {row.version}: {row.verdict}, {stamp(row.created_at)}" for row in newest.values()]
