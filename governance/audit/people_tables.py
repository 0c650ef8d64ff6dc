"""The strata of a report as a table: whom the model serves, how well, how surely, and against the champion."""

from __future__ import annotations

from governance.audit.persona_tables import Table
from governance.audit.report import AuditReport

__all__ = ["people_tables"]


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
    simulated = " The people are simulated." if found["simulated"] else ""
    return (
        Table(
            title="Who is affected: agreement with each group",
            lead=f"From {found['source']}. At least {100 * found['min_accuracy']:g} % is asked of each group that gates; "
            f"bounds at {100 * found['confidence']:g} % on each side, clustered by person and item.{simulated}",
            columns=("group", "gates", "agrees", "between", "judgements", "people")
            + (("against the champion",) if compared else ()),
            rows=tuple(
                (
                    row["stratum"],
                    "yes" if row["primary"] else "no",
                    "-" if row["rate"] is None else f"{100 * row['rate']:.1f} %",
                    f"{100 * row['low']:.1f} and {100 * row['high']:.1f} %",
                    f"{row['judgements']} (worth {row['effective']:.0f})",
                    str(row["annotators"]),
                    *((_champion(row["against_champion"]),) if compared else ()),
                )
                for row in rows
            ),
        ),
    )


def _champion(found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    return (
        f"{100 * found['difference']:+.1f} points ({100 * found['low']:+.1f} to {100 * found['high']:+.1f})"
    )
