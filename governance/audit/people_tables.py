"""The strata of a report as a table: whom the model serves, how well, how surely; and the candidate beside the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.audit.persona_tables import Table
from governance.audit.report import AuditReport
from governance.counted import counted_by

__all__ = ["champion_tables", "people_tables"]


def people_tables(report: AuditReport) -> tuple[Table, ...]:
    """One table, primary strata first and of those the worst first; none where strata were not measured."""
    found = report.alignment
    if found is None:
        return ()
    rows = sorted(
        found["strata"],
        key=lambda row: (not row["primary"], row["rate"] if row["rate"] is not None else 2.0, row["stratum"]),
    )
    compared = any(row["against_champion"] for row in rows)
    steered = any("steered" in row for row in rows)
    simulated = " The people are simulated." if found["simulated"] else ""
    return (
        Table(
            title="Who is affected: agreement with each group",
            lead=f"From {found['source']}. At least {100 * found['min_accuracy']:g} % is asked of each group that gates; "
            f"bounds at {100 * found['confidence']:g} % on each side, clustered by person and item.{simulated}{_apart(found)}",
            columns=("group", "gates", "agrees", "between", "judgements", "people")
            + (("own settings against none",) if steered else ())
            + (("against the champion",) if compared else ()),
            rows=tuple(
                (
                    row["stratum"],
                    "yes" if row["primary"] else "no",
                    "-" if row["rate"] is None else f"{100 * row['rate']:.1f} %",
                    f"{100 * row['low']:.1f} and {100 * row['high']:.1f} %",
                    f"{row['judgements']} (worth {row['effective']:.0f})",
                    str(row["annotators"]),
                    *((_champion(row.get("steered")),) if steered else ()),
                    *((_champion(row["against_champion"]),) if compared else ()),
                )
                for row in rows
            ),
        ),
    )


def _apart(found: Mapping[str, Any]) -> str:
    """On how many items groups want different answers, where that was counted."""
    counts = found.get("contested")
    if counts is None or not counts["of"]:
        return ""
    return (
        f" On {counts['pairs']} of {counts['of']} pairs that several groups judged, their majorities prefer different answers: "
        "there no single answer serves all of them."
    )


def champion_tables(report: AuditReport) -> tuple[Table, ...]:
    """The candidate beside the champion: on the same probes, and in what both can do; none where nothing was compared."""
    found = report.champion
    if found is None:
        return ()
    tables = []
    if rows := found["rules"]:
        refused = sum(row["candidate_only"] for row in rows if row["direction"] == "over_refusal")
        spared = sum(row["champion_only"] for row in rows if row["direction"] == "over_refusal")
        tables.append(
            Table(
                title=f"Beside the champion ({found['champion']})",
                lead="Both on the same prompt families, without persona; bounds at 95 %, p exact (McNemar). Alignment tax: "
                f"{refused} harmless families that only the candidate refuses, {spared} that only the champion refuses. "
                "Nothing here decides.",
                columns=("rule", "families", "candidate", "champion", "difference", "p"),
                rows=tuple(
                    (
                        f"{row['rule']} ({counted_by(row['rule'], row['direction'])})",
                        str(row["families"]),
                        str(row["candidate"]),
                        str(row["champion"]),
                        _champion(row),
                        f"{row['p']:.3f}" if row["p"] >= 0.0005 else "< 0.001",
                    )
                    for row in rows
                ),
            )
        )
    if rows := found["capability"]:
        tables.append(
            Table(
                title="What it can do, beside the champion",
                lead="As the runs that made the versions say (metrics capability.*); bounds at 95 % where both say on how many "
                "items. Nothing here decides.",
                columns=("measure", "candidate", "champion", "difference"),
                rows=tuple(
                    (
                        row["name"],
                        f"{row['candidate']:.4g}",
                        f"{row['champion']:.4g}",
                        f"{row['difference']:+.4g}"
                        + ("" if row["low"] is None else f" ({row['low']:+.4g} to {row['high']:+.4g})"),
                    )
                    for row in rows
                ),
            )
        )
    return tuple(tables)


def _champion(found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    if not any(found[name] for name in ("difference", "low", "high")):
        return "no judgement differs"
    return (
        f"{100 * found['difference']:+.1f} points ({100 * found['low']:+.1f} to {100 * found['high']:+.1f})"
    )
