"""Validation measured: by parts on disk and in memory, against GX on pandas, peers, and a bare Parquet scan.

Run ``python -m benchmarks.validation --rows 100000 1000000 [--peers FOLDER] [--only-parts] [--json]``. Every
measurement is a process of its own, so that CPU seconds (user + system, all threads) and peak memory belong to it
alone; the import of libraries is measured apart and left out. A peer that passes the limits of time or memory is
stopped and reported so. Ratios are to the bare scan of the same file. GX on pandas gets the same suite and the facts
ready made; what is "as commonly written" is the suite of 26 simple rules that its documentation leads to, without
joins or screens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.own_process import measure, run_limited
from governance.digest import digest_bytes

SEED = 20260101
FAULTY = 0.12
AT_ONCE = 250_000
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
    from annotation.records import ITEMS, JUDGEMENTS

    known = []
    many = max(rows // OVERLAP, 1)
    with pq.ParquetWriter(folder / "items.parquet", ITEMS) as writer:
        for start in range(0, many, AT_ONCE):
            items = _items(range(start, min(start + AT_ONCE, many)))
            writer.write_table(items)
            known.append(
                pl.DataFrame(items).select(
                    "item", item_digest="digest", c=pl.col("candidates").list.eval(pl.element().struct[0])
                )
            )
    pairs = pl.concat(known)
    with pq.ParquetWriter(folder / "judgements.parquet", JUDGEMENTS) as writer:
        for start in range(0, rows, AT_ONCE):
            writer.write_table(_judgements(pairs, start, min(start + AT_ONCE, rows), rows))


def _items(numbers: range) -> pa.Table:
    from annotation.records import ITEMS, make_item, table

    return table(
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
            for number in numbers
        ),
        ITEMS,
    )


def _judgements(pairs: pl.DataFrame, start: int, end: int, whole: int) -> pa.Table:
    from annotation.records import JUDGEMENTS

    rng = np.random.default_rng([SEED, start])
    rows = end - start
    number = np.arange(start, end)
    frame = pairs[number % pairs.height].with_columns(
        number=pl.Series(number),
        annotator=pl.format(
            "a-{}", pl.Series(number // pairs.height + OVERLAP * (number % max(whole // 500, 1)))
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
        # As in a campaign: few policies, each for a while.
        policy_digest=pl.lit("sha256:") + (pl.col("number") % 3).cast(pl.String).str.pad_start(64, "0"),
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
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(JUDGEMENTS)


def _load(folder: Path, *, tables: bool = True) -> tuple[Any, Any, Any]:
    from annotation.policy_checks import checks_for

    if not tables:
        return None, None, checks_for(REQUIREMENTS)
    read = (pq.read_table(folder / f"{name}.parquet") for name in ("judgements", "items"))
    return (*read, checks_for(REQUIREMENTS))


def scan(folder: Path) -> Callable[[], Any]:
    """Read every column of the judgements."""
    return lambda: pl.read_parquet(folder / "judgements.parquet").height


def quarantine(folder: Path) -> Callable[[], Any]:
    """Table in memory → the files of the batch as bytes, with everything in memory."""
    from annotation.quarantine import validate_batch

    judgements, items, checks = _load(folder)

    def work() -> Any:
        found = validate_batch(judgements, items, checks=checks)
        return dict(found.summary.counts), {name: digest_bytes(data) for name, data in found.tables().items()}

    return work


def gx_duckdb(folder: Path) -> Callable[[], Any]:
    """The gate: facts in SQL, GX's suites, agreement with the quarantine pass (made before the clock)."""
    from annotation.quarantine import validate_batch
    from infra.expectations import run

    judgements, items, checks = _load(folder)
    validated = validate_batch(judgements, items, checks=checks)

    def gate() -> dict[str, int]:
        unexpected = run(validated).unexpected
        return {key: unexpected[key] for key in validated.summary.counts}

    return gate


def by_parts(folder: Path) -> Callable[[], Any]:
    """Files on disk → the sorted files of the batch, part by part, without Great Expectations."""
    from infra.parquet_input import staged_files, tables_of
    from infra.validation_parts import parts_for, validate_parts

    _, _, checks = _load(folder, tables=False)
    parts = parts_for(pq.read_metadata(folder / "judgements.parquet").num_rows)

    def work() -> Any:
        scratch = folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        found = validate_parts(
            staged_files([folder / "judgements.parquet"]),
            tables_of([folder / "items.parquet"]),
            checks=checks,
            parts=parts,
            scratch=scratch,
        )
        files = {n: f if isinstance(f, bytes) else _digest(f) for n, f in found.files.items()}
        (folder / "validated.pickle").write_bytes(pickle.dumps(found))
        return dict(found.summary.counts), {
            n: f if isinstance(f, str) else digest_bytes(f) for n, f in files.items()
        }

    return work


def gx_on_files(folder: Path) -> Callable[[], Any]:
    """The gate over all parts on disk, in a DuckDB that spills; it must agree with the parts."""
    from infra.expectations import run_on_files

    found = pickle.loads((folder / "validated.pickle").read_bytes())

    def gate() -> dict[str, int]:
        unexpected = run_on_files(found).unexpected
        return {key: unexpected[key] for key in found.summary.counts}

    return gate


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def gx_pandas(folder: Path) -> Callable[[], Any]:
    """The same suites on GX's pandas engine; the facts are given."""
    from annotation.checks import On
    from annotation.facts import facts
    from annotation.quarantine import columns_of
    from annotation.staging import stage_table
    from annotation.surroundings import Surroundings
    from annotation.text_screens import screens
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


SCAN = "bare Parquet scan (polars)"
SAME = "GX on pandas, same suites, facts given"
GATE = "GX over DuckDB on disk (gate)"
PARTS = "quarantine by parts, files to files"
WHOLE = "quarantine in memory, table to files"
MEASURED: dict[str, Callable[[Path], Callable[[], Any]]] = {
    SCAN: scan,
    PARTS: by_parts,
    GATE: gx_on_files,
    WHOLE: quarantine,
    "GX over DuckDB in memory": gx_duckdb,
    SAME: gx_pandas,
    "GX on pandas as commonly written (26 expectations)": gx_pandas_usual,
}
PEERS = {
    "pandera": "pandera on polars (26 checks as commonly written)",
    "pointblank": "pointblank on polars (26 steps as commonly written)",
}


def measure_peer(name: str, folder: Path, limit: float, memory_mb: float, peers: Path) -> dict[str, Any]:
    """A peer, in its own environment, on the same files."""
    script = Path(__file__).with_name("validation_peers.py")
    command = [str(peers / name / "bin" / "python"), str(script), name, str(folder)]
    return run_limited(command, cwd=folder, seconds=limit, megabytes=memory_mb)


def install_peers(folder: Path) -> None:
    """An environment for each peer, made by uv; never a dependency of the project."""
    for name, packages in {
        "pandera": ["pandera[polars]", "pyarrow"],
        "pointblank": ["pointblank", "polars", "pyarrow"],
    }.items():
        if not (folder / name / "bin" / "python").exists():
            subprocess.run(["uv", "venv", "--quiet", str(folder / name)], check=True)
            python = str(folder / name / "bin" / "python")
            subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *packages], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--only-parts", action="store_true", help="nothing that holds the batch in memory")
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument(
        "--peers", type=Path, help="folder for the environments of the peers; none by default"
    )
    parser.add_argument("--limit", type=float, default=600.0, help="seconds a peer may take")
    parser.add_argument("--memory", type=float, default=8_000.0, help="megabytes a peer may hold")
    parser.add_argument("--scratch", type=Path, help="where to put the generated files")
    parser.add_argument("--keep", type=Path, help="folder of the generated files; those in it are used again")
    parser.add_argument("--only", nargs="+", help="measure only what begins so, beside the bare scan")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.peers:
        install_peers(arguments.peers)
    out = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="bounds-bench-", dir=arguments.scratch) as name:
            folder = (arguments.keep or Path(name)) / str(rows)
            if not (folder / "ready").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                generate(rows, folder)
                (folder / "ready").touch()
            found: dict[str, dict[str, Any]] = {}
            for what in _wanted(arguments):
                found[what] = _one(what, folder, arguments)
                out.append({"rows": rows, "what": what, **found[what]})
                _say(arguments.json, rows, what, found)
            alike = _require_alike(found)
            if alike and not arguments.json:
                print(alike, flush=True)
    if arguments.json:
        kept = [{key: value for key, value in row.items() if key != "result"} for row in out]
        print(json.dumps(kept, indent=1))


def _one(what: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    for peer, label in PEERS.items():
        if label == what:
            return measure_peer(peer, folder, arguments.limit, arguments.memory, arguments.peers)
    if "pandas" in what:
        return measure(MEASURED[what], folder, seconds=arguments.limit, megabytes=arguments.memory)
    return measure(MEASURED[what], folder)


def _wanted(arguments: argparse.Namespace) -> list[str]:
    wanted = list(MEASURED)[:3] if arguments.only_parts else list(MEASURED)
    wanted = [what for what in wanted if not (arguments.no_pandas and "pandas" in what)]
    wanted += PEERS.values() if arguments.peers else ()
    if arguments.only:
        wanted = [what for what in wanted if what == SCAN or what.startswith(tuple(arguments.only))]
    return wanted


def _require_alike(found: dict[str, dict[str, Any]]) -> str:
    """What was measured must be right: equal counts, and the same bytes in parts as in memory."""
    results = {name: one.get("result") for name, one in found.items()}
    counted = {name: results[name] for name in (GATE, SAME) if results.get(name) is not None}
    if PARTS not in results:
        return ""
    if results[PARTS] is None or (GATE in results and GATE not in counted):
        raise SystemExit("a pass of the platform did not come to its end")
    if any(counts != results[PARTS][0] for counts in counted.values()):
        raise SystemExit("the quarantine pass and Great Expectations do not count the same")
    if WHOLE in results and results[WHOLE] != results[PARTS]:
        raise SystemExit("the batch in parts is not the batch as a whole")
    failures = sum(results[PARTS][0].values())
    return f"equal counts in {', '.join([PARTS, *counted])}: {len(results[PARTS][0])} checks, {failures:,} failures"


def _say(quiet: bool, rows: int, what: str, found: dict[str, dict[str, Any]]) -> None:
    if quiet:
        return
    this, base = found[what], found.get(SCAN, {})
    if "stopped" in this:
        print(f"{rows:>10,} {what:<52} {this['stopped']}", flush=True)
        return
    ratio = f"{this['cpu_s'] / base['cpu_s']:8.1f} x scan" if "cpu_s" in base else ""
    print(
        f"{rows:>10,} {what:<52} {this['cpu_s']:8.2f} CPU-s {this['wall_s']:8.2f} s "
        f"{this['peak_mb']:7.0f} MB (from {this['ready_mb']:.0f}) {ratio}",
        flush=True,
    )


if __name__ == "__main__":
    main()
