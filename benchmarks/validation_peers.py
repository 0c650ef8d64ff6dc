"""The peers of :mod:`benchmarks.validation`, run by a Python of their own: ``validation_peers.py PEER FOLDER``.

The same 26 rules as commonly written for GX on pandas, in each library's own words; failing rows are collected,
since quarantine needs them. The import of libraries and the reading of known ids is left out of the time, the
reading of the judgements is not.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

DIGEST = "^sha256:[0-9a-f]{64}$"
REQUIRED = (
    "judgement", "item", "item_digest", "annotator", "site", "kind", "source", "source_ref", "source_digest",
    "simulated",
)  # fmt: skip
DIGESTS = ("item_digest", "source_digest", "config_digest", "policy_digest")
EMAIL = r"[\w.+-]+@[\w-]+\.\w+"


def known(folder: Path) -> dict[str, list[str]]:
    """The sets that foreign keys are held against."""
    items = pl.read_parquet(folder / "items.parquet")
    answers = items["candidates"].explode().struct.field("candidate")
    return {
        "item": items["item"].to_list(),
        "item_digest": items["digest"].to_list(),
        "preferred": answers.to_list(),
        "outcome": ["prefers", "tie", "neither", "cannot_judge"],
        "kind": ["pairwise", "rating"],
        "source": ["file", "portal", "label_studio"],
    }


def pandera(folder: Path) -> Callable[[], Any]:
    """A schema of columns, validated lazily so that every failure is reported."""
    import pandera.polars as pa

    sets = known(folder)
    read = pl.read_parquet(folder / "judgements.parquet", n_rows=1)
    checks: dict[str, list[Any]] = {name: [] for name in read.columns}
    for name in DIGESTS:
        checks[name].append(pa.Check.str_matches(DIGEST, error=f"{name} form"))
    for name, values in sets.items():
        # Without a name of its own the check would print its whole set with every failure.
        checks[name].append(pa.Check.isin(values, error=f"{name} known"))
    checks["strength"].append(pa.Check.in_range(-3, 3, error="strength range"))
    checks["seconds"].append(pa.Check.in_range(2, 3600, error="seconds range"))
    checks["rationale"].append(
        pa.Check(lambda data: data.lazyframe.select(~pl.col(data.key).str.contains(EMAIL)), error="e-mail")
    )
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(
                read.schema[name], checks[name], nullable=name not in REQUIRED, unique=name == "judgement"
            )
            for name in read.columns
        },
        checks=[
            pa.Check(
                lambda data: data.lazyframe.select(pl.col("submitted_at") > pl.col("presented_at")),
                error="order",
            )
        ],
        unique=["annotator", "item"],
    )

    def work() -> int:
        frame = pl.read_parquet(folder / "judgements.parquet")
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            return int(errors.failure_cases.height)
        return 0

    return work


def pointblank(folder: Path) -> Callable[[], Any]:
    """A plan of steps, interrogated with extracts of failing rows."""
    import pointblank as pb

    sets = known(folder)

    def work() -> int:
        frame = pl.read_parquet(folder / "judgements.parquet")
        plan = pb.Validate(frame)
        for name in REQUIRED:
            plan = plan.col_vals_not_null(columns=name)
        for name in DIGESTS:
            plan = plan.col_vals_regex(columns=name, pattern=DIGEST, na_pass=True)
        for name, values in sets.items():
            plan = plan.col_vals_in_set(columns=name, set=values)
        plan = plan.col_vals_between(columns="strength", left=-3, right=3, na_pass=True)
        plan = plan.col_vals_between(columns="seconds", left=2, right=3600, na_pass=True)
        plan = plan.rows_distinct(columns_subset="judgement")
        plan = plan.rows_distinct(columns_subset=["annotator", "item"])
        plan = plan.col_vals_gt(columns="submitted_at", value=pb.col("presented_at"))
        plan = plan.col_vals_expr(expr=~pl.col("rationale").fill_null("").str.contains(EMAIL))
        plan = plan.interrogate(collect_extracts=True, get_first_n=None)
        return sum(int(count) for count in plan.n_failed().values())

    return work


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the peak memory is not known here")


def main() -> None:
    """Measure one peer and print what was measured as JSON."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    work = {"pandera": pandera, "pointblank": pointblank}[name](folder)
    ready = _peak_mb()
    wall, cpu = time.perf_counter(), _cpu()
    failed = work()
    print(
        json.dumps(
            {
                "cpu_s": _cpu() - cpu,
                "wall_s": time.perf_counter() - wall,
                "peak_mb": _peak_mb(),
                "ready_mb": ready,
                "failures": failed,
            }
        )
    )


if __name__ == "__main__":
    main()
