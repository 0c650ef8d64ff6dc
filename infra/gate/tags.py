"""What a reviewer reads on a version's own page in MLflow, made from the signed decision alone.

The tags and the note are functions of the decision, so the gate can tell what is true from what is forged
without knowing who writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from governance.decision import Decision, stamp

__all__ = ["PREFIX", "is_ours", "true_tags", "version_note"]

PREFIX: Final = "gov."
_REASON_LIMIT: Final = 220
_NOTE_LIMIT: Final = 4_900  # MLflow's column of a description holds 5000 characters


def is_ours(key: str) -> bool:
    """Whether a tag's name is one of ours, in any case."""
    return str(key).strip().casefold().startswith(PREFIX)


def true_tags(decision: Decision, digest: str, *, review: str | None) -> dict[str, str]:
    """The short tags: verdict, policy, until when, the decision, and where the evidence is."""
    tags = {
        "gov.verdict": decision.verdict.value,
        "gov.policy": decision.policy,
        "gov.expires": stamp(decision.expires),
        "gov.decision": digest,
    }
    if review:
        tags["gov.review"] = f"{review}/{decision.model}/{decision.version}"
    return tags


def version_note(decision: Decision, *, review: str | None) -> str:
    """The description in Markdown: verdict, what determined it, what it rests on.

    Approvals change the envelope, not what was decided: the note stays the same.
    """
    aliases = ", ".join(f"`{alias}`" for alias in decision.aliases)
    head = [
        f"## {decision.verdict.value} for {aliases} until {stamp(decision.expires)}",
        "",
        "| rule | verdict | what was found | evidence |",
        "|---|---|---|---|",
    ]
    policies = ", ".join(f"{policy['id']} {policy['version']}" for policy in decision.policies)
    need = "; ".join(
        f"{approval.threshold} of {' or '.join(sorted(approval.roles))}" for approval in decision.approvals
    )
    tail = [
        "",
        *(["**A demonstration on simulated evidence.**", ""] if decision.demonstration else []),
        *([f"Approvals asked for: {need}.", ""] if need else []),
        f"Policy: {policies}. Release: `{decision.release or 'not known'}`.",
        f"Audit `{decision.audit}`.",
        *(["", f"[Evidence, approvals and history]({review}/{decision.model}/{decision.version})"] if review else []),
        "",
    ]  # fmt: skip
    return "\n".join([*_fitting(_rows(decision), head, tail), *tail])


def _rows(decision: Decision) -> list[str]:
    """What failed first, then what was measured on the model, then what was found of the data."""
    ordered = sorted(
        decision.findings,
        key=lambda row: (row["verdict"] == "PASS", row["grade"] is None, row.get("tier", 0), row["rule"], row["direction"]),
    )  # fmt: skip
    return [
        f"| {row['rule']} | {row['verdict']}{_waived(decision, row)} | {_found(row)} | {row['grade'] or 'the data'} |"
        for row in ordered
    ]


def _found(row: Mapping[str, Any]) -> str:
    """The first reason of a finding, as a cell of a table."""
    reason = (
        next(iter(row.get("reasons") or ()), "")
        or f"{row['violations']} of {row['families']} families violate"
    )
    shown = " ".join(str(reason).split()).replace("|", "\\|")
    return shown if len(shown) <= _REASON_LIMIT else f"{shown[:_REASON_LIMIT]}…"


def _waived(decision: Decision, row: Mapping[str, Any]) -> str:
    found = decision.waived(row) if row["verdict"] != "PASS" else None
    return f", waived until {stamp(found.until)}" if found else ""


def _fitting(rows: list[str], head: list[str], tail: list[str]) -> Iterable[str]:
    """The head and as many rows, failed ones first, as the column holds."""
    room = _NOTE_LIMIT - sum(len(line) + 1 for line in (*head, *tail)) - 60
    kept: list[str] = []
    for row in rows:
        room -= len(row) + 1
        if room < 0:
            return [*head, *kept, f"| and {len(rows) - len(kept)} more | | | |"]
        kept.append(row)
    return [*head, *kept]
