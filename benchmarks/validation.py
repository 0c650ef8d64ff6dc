"""Validation measured: the quarantine pass and GX over DuckDB against GX on pandas and a bare Parquet scan.

Run ``python -m benchmarks.validation --rows 100000 1000000 [--no-pandas] [--json]``. Every measurement is a
process of its own, so that CPU seconds (user + system, all threads) and peak memory belong to it alone; the
import of libraries is measured apart and left out. The peer gets the same suite and the facts ready made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.own_process import measure

SEED = 20260101
FAULTY = 0.12
OVERLAP = 5
REQUIREMENTS: tuple[dict[str, Any], ...] = (
    {"id": "D.agreement", "check": "agreement", "at_least": -1.0},
    {"id": "D.busiest", "check": "busiest_share", "at_most": 1.0},
    {"id": "D.duration", "check": "duration", "at_least": 2, "at_most": 3600},
    {"id": "D.language", "check": "language"},
    {"id": "D.one-judgement", "check": "one_judgement"},
    {"id": "D.overlap", "check": "overlap", "at_least": 3, "share": 0.0},
    {"id": "D.personal-data", "check": "personal_data", "forbid": ["email", "phone", "payment_card"]},
    {"id": "D.quarantine", "check": "quarantine_share", "at_most": 1.0},
    {"id": "D.straight-lining", "check": "straight_lining", "at_most": 30},
)


def generate(rows: int, folder: Path) -> None:
    """A batch of ``rows`` judgements, about 12 % of them with a planted fault, as two Parquet files."""
    from annotation.records import ITEMS, JUDGEMENTS, make_item, table

    rng = np.random.default_rng(SEED)
    items = table(
        (
            make_item(
                prompt=[{"role": "user", "content": f"Question {number}?"}],
                candidates=[
                    ("llama-7b", f"One answer to {number}."),
                    ("opt-6.7b", f"Another answer to {number}."),
                ],
                language="en",
                topic=None,
                origin="generated",
                licence="Apache-2.0",
                source_ref=str(number),
                simulated=True,
            )
            for number in range(max(rows // OVERLAP, 1))
        ),
        ITEMS,
    )
    known = pl.from_arrow(items)
    pairs = known.select(
        "item", item_digest="digest", c=pl.col("candidates").list.eval(pl.element().struct[0])
    )
    number = np.arange(rows)
    frame = pairs[number % pairs.height].with_columns(
        number=pl.Series(number),
        annotator=pl.format(
            "a-{}", pl.Series(number // pairs.height + OVERLAP * (number % max(rows // 500, 1)))
        ),
        flip=pl.Series(rng.integers(0, 2, rows)),
        choice=pl.Series(rng.integers(0, 2, rows)),
        kindness=pl.Series(rng.random(rows)),
        seconds=pl.Series(rng.lognormal(3.4, 0.5, rows)),
        fault=pl.Series(np.where(rng.random(rows) < FAULTY, rng.integers(1, 9, rows), 0)),
        remark=pl.Series(rng.integers(0, 4, rows)),
    )
    digest = pl.lit("sha256:") + pl.col("number").cast(pl.String).str.pad_start(64, "0")
    prefers = pl.col("kindness") < 0.8
    preferred = pl.col("c").list.get(pl.col("choice"))
    start = pl.datetime(2026, 1, 5, time_zone="UTC") + pl.duration(seconds=60 * pl.col("number"))
    fault = pl.col("fault")
    frame = frame.select(
        judgement=digest,
        item=pl.when(fault == 1).then(pl.lit("i-unknown")).otherwise("item"),
        item_digest=pl.when(fault == 2).then(pl.lit("broken")).otherwise("item_digest"),
        annotator="annotator",
        site=pl.lit("main"),
        kind=pl.lit("pairwise"),
        shown=pl.when(pl.col("flip") == 1).then(pl.col("c").list.reverse()).otherwise("c"),
        outcome=pl.when(fault == 3)
        .then(pl.lit("likes"))
        .when(prefers)
        .then(pl.lit("prefers"))
        .when(pl.col("kindness") < 0.9)
        .then(pl.lit("tie"))
        .otherwise(pl.lit("cannot_judge")),
        preferred=pl.when(fault == 4).then(pl.lit("c-unknown")).when(prefers).then(preferred),
        strength=pl.when(prefers)
        .then(pl.when(pl.col("choice") == 0).then(-2).otherwise(2))
        .when(pl.col("kindness") < 0.9)
        .then(0),
        scores=None,
        ranking=None,
        rationale=pl.when(fault == 5)
        .then(pl.format("Write to person{}@example.org", "number"))
        .when(pl.col("remark") == 0)
        .then(pl.lit("Clearer, and it answers in 2 steps."))
        .when(pl.col("remark") == 1)
        .then(pl.format("Number {} reads better than the other one.", "number")),
        presentation=None,
        config_digest=digest,
        policy_digest=digest,
        consent=None,
        presented_at=start,
        submitted_at=start
        + pl.when(fault == 6).then(pl.duration(seconds=-5)).otherwise(pl.duration(seconds=30)),
        seconds=pl.when(fault == 7).then(0.3).otherwise("seconds"),
        source=pl.when(fault == 8).then(pl.lit("pigeon")).otherwise(pl.lit("file")),
        source_ref=pl.col("number").cast(pl.String),
        source_digest=digest,
        simulated=pl.lit(value=True),
    )
    judgements = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(JUDGEMENTS)
    pq.write_table(judgements, folder / "judgements.parquet")
    pq.write_table(items, folder / "items.parquet")


def _load(folder: Path) -> tuple[Any, Any, Any]:
    from annotation.policy_checks import checks_for

    read = (pq.read_table(folder / f"{name}.parquet") for name in ("judgements", "items"))
    return (*read, checks_for(REQUIREMENTS))


def scan(folder: Path) -> Callable[[], Any]:
    """Read every column of the judgements."""
    return lambda: pl.read_parquet(folder / "judgements.parquet").height


def quarantine(folder: Path) -> Callable[[], Any]:
    """Table in memory → accepted, quarantine, counts, figures."""
    from annotation.quarantine import validate_batch

    judgements, items, checks = _load(folder)
    return lambda: dict(validate_batch(judgements, items, checks=checks).counts)


def gx_duckdb(folder: Path) -> Callable[[], Any]:
    """The gate: facts in SQL, GX's suites, agreement with the quarantine pass (made before the clock)."""
    from annotation.quarantine import validate_batch
    from infra.expectations import run

    judgements, items, checks = _load(folder)
    validated = validate_batch(judgements, items, checks=checks)

    def gate() -> dict[str, int]:
        unexpected = run(validated).unexpected
        return {key: unexpected[key] for key in validated.counts}

    return gate


def gx_pandas(folder: Path) -> Callable[[], Any]:
    """The same suites on GX's pandas engine; the facts are given."""
    from annotation.checks import On
    from annotation.facts import Surroundings, facts, screens
    from annotation.quarantine import columns_of
    from annotation.staging import stage_table
    from infra.expectations import run_on_pandas

    judgements, items, checks = _load(folder)
    checks = tuple(check for check in checks if check.on is not On.FIGURES)
    columns = columns_of(checks)
    around = Surroundings.of(items)
    judged = facts(screens(stage_table(judgements), around.items, columns), around, columns)
    frame = judged.select(sorted(columns | {"presented_at"})).to_pandas()
    tables = {On.ROWS: frame[["problem"]], On.JUDGEMENTS: frame}
    return lambda: run_on_pandas(tables, checks).unexpected


def gx_pandas_usual(folder: Path) -> Callable[[], Any]:
    """GX on pandas as commonly written: no facts, foreign keys as sets of known ids, COMPLETE results."""
    import great_expectations as gx

    judgements, items, _ = _load(folder)
    kinds = gx.expectations
    known = items.column("item").to_pylist()
    digests = items.column("digest").to_pylist()
    answers = [candidate["candidate"] for row in items.column("candidates").to_pylist() for candidate in row]
    frame = judgements.to_pandas()
    required = [field.name for field in judgements.schema if not field.nullable and field.name != "shown"]
    suite = gx.ExpectationSuite(
        name="usual",
        expectations=[
            *(kinds.ExpectColumnValuesToNotBeNull(column=name) for name in required),
            *(
                kinds.ExpectColumnValuesToMatchRegex(column=name, regex="^sha256:[0-9a-f]{64}$")
                for name in ("item_digest", "source_digest", "config_digest", "policy_digest")
            ),
            kinds.ExpectColumnValuesToBeInSet(column="item", value_set=known),
            kinds.ExpectColumnValuesToBeInSet(column="item_digest", value_set=digests),
            kinds.ExpectColumnValuesToBeInSet(column="preferred", value_set=answers),
            kinds.ExpectColumnValuesToBeInSet(
                column="outcome", value_set=["prefers", "tie", "neither", "cannot_judge"]
            ),
            kinds.ExpectColumnValuesToBeInSet(column="kind", value_set=["pairwise", "rating"]),
            kinds.ExpectColumnValuesToBeInSet(column="source", value_set=["file", "portal", "label_studio"]),
            kinds.ExpectColumnValuesToBeBetween(column="strength", min_value=-3, max_value=3),
            kinds.ExpectColumnValuesToBeBetween(column="seconds", min_value=2, max_value=3600),
            kinds.ExpectColumnValuesToBeUnique(column="judgement"),
            kinds.ExpectCompoundColumnsToBeUnique(column_list=["annotator", "item"]),
            kinds.ExpectColumnPairValuesAToBeGreaterThanB(column_A="submitted_at", column_B="presented_at"),
            kinds.ExpectColumnValuesToNotMatchRegex(column="rationale", regex=r"[\w.+-]+@[\w-]+\.\w+"),
        ],
    )
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("pandas")
    batch = source.add_dataframe_asset("judgements").add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name="usual", data=batch, suite=context.suites.add(suite))
    context.validation_definitions.add(definition)
    return lambda: definition.run(batch_parameters={"dataframe": frame}, result_format="COMPLETE").success


MEASURED: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "bare Parquet scan (polars)": scan,
    "quarantine pass": quarantine,
    "GX on DuckDB (gate)": gx_duckdb,
    "GX on pandas, same suites, facts given": gx_pandas,
    "GX on pandas as commonly written (26 expectations)": gx_pandas_usual,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds a measurement may take")
    parser.add_argument("--memory", type=float, default=8192.0, help="megabytes it may hold")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    out = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="bounds-bench-") as name:
            folder = Path(name)
            generate(rows, folder)
            found: dict[str, dict[str, Any]] = {}
            for what, prepare in MEASURED.items():
                if arguments.no_pandas and "pandas" in what:
                    continue
                found[what] = measure(prepare, folder, seconds=arguments.limit, megabytes=arguments.memory)
                out.append({"rows": rows, "what": what, **found[what]})
                _say(arguments.json, rows, what, found)
            ours, gate = found["quarantine pass"], found["GX on DuckDB (gate)"]
            if "result" not in ours or ours["result"] != gate.get("result"):
                raise SystemExit("the quarantine pass and Great Expectations do not count the same")
    if arguments.json:
        print(
            json.dumps(
                [{key: value for key, value in row.items() if key != "result"} for row in out], indent=1
            )
        )


def _say(quiet: bool, rows: int, what: str, found: dict[str, dict[str, Any]]) -> None:
    if quiet:
        return
    this, base = found[what], found.get("GX on DuckDB (gate)", {})
    if "stopped" in this:
        print(f"{rows:>10,} {what:<52} stopped {this['stopped']}")
        return
    ratio = f"{this['cpu_s'] / base['cpu_s']:8.2f} x gate" if "cpu_s" in base else ""
    print(
        f"{rows:>10,} {what:<52} {this['cpu_s']:8.2f} CPU-s {this['wall_s']:8.2f} s "
        f"{this['peak_mb']:7.0f} MB (from {this['ready_mb']:.0f}) {ratio}",
        flush=True,
    )


if __name__ == "__main__":
    main()
