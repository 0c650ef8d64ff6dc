"""Agreement with 1,000 bootstraps against peers, in one run: CPU seconds, peak memory, ratios.

    python benchmarks/agreement.py [--items 100000 1000000] [--peer-python PATH] [--loop 60]

Peers (``krippendorff``, GPL, in a loop; ``irrCAC`` and ``simpledorff``, one alpha each) run in an environment of
their own, given by ``--peer-python``; without it they are skipped, and the output says so. The loop over
``krippendorff`` ends after ``--loop`` seconds and is extrapolated from the replicates it finished; a peer that passes
10 minutes or 8 GB is stopped. The output says both. Every measurement is a process of its own, whose peak memory
includes the judgements that it makes. Five annotators, four categories, agreement about 0.5.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPLICATES = 1000
ANNOTATORS = 5
CATEGORIES = 4


def judgements(items: int):
    import numpy as np

    generator = np.random.default_rng(items)
    truth = generator.integers(0, CATEGORIES, size=items)
    kept = generator.random((items, ANNOTATORS)) < 0.7
    return np.where(kept, truth[:, None], generator.integers(0, CATEGORIES, size=(items, ANNOTATORS)))


def measured(work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}, result


def scan(items: int, _limit: float):
    """The judgements as a long table in a Parquet file, read: the least that any pass over them costs."""
    import numpy as np
    import polars as pl

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "judgements.parquet"
        pl.DataFrame(
            {
                "item": np.repeat(np.arange(items), ANNOTATORS),
                "annotator": np.tile(np.arange(ANNOTATORS), items),
                "value": judgements(items).ravel().astype(float),
            }
        ).write_parquet(file)
        spent, frame = measured(lambda: pl.read_parquet(file))
    return {**spent, "note": f"{frame.height:,} rows of three columns"}


def ours(items: int, _limit: float):
    from annotation.agreement import Level, alpha
    from annotation.agreement_bootstrap import alpha_interval
    from annotation.patterns import histogram_of_matrix

    codes = judgements(items)
    categories = tuple(float(category) for category in range(CATEGORIES))

    def work():
        patterns = histogram_of_matrix(codes, categories=categories)
        interval = alpha_interval(patterns, Level.NOMINAL, replicates=REPLICATES, seed=1)
        return alpha(patterns, Level.NOMINAL).value, interval.low, interval.high

    spent, (value, low, high) = measured(work)
    return {**spent, "alpha": value, "low": low, "high": high}


def ours_long(items: int, _limit: float):
    import numpy as np
    import polars as pl

    from annotation.agreement_report import assess

    codes = judgements(items)
    frame = pl.DataFrame(
        {
            "item": np.repeat(np.arange(items), ANNOTATORS),
            "annotator": np.tile(np.arange(ANNOTATORS), items),
            "value": codes.ravel().astype(float),
            "group": np.tile(np.array(["x", "x", "x", "y", "y"]), items),
        }
    )
    spent, report = measured(lambda: assess(frame, by=["group"], replicates=REPLICATES, seed=1))
    return {
        **spent,
        "alpha": report.alpha.value,
        "low": report.interval.low,
        "high": report.interval.high,
    }


def naive(items: int, _limit: float):
    """The definition in Python, alpha only: what one writes first."""
    from collections import Counter

    rows = judgements(items).tolist()

    def work():
        observed, margins, n = 0.0, Counter(), 0
        for row in rows:
            counts = Counter(row)
            m = len(row)
            observed += (m * m - sum(count * count for count in counts.values())) / (m - 1)
            margins.update(counts)
            n += m
        chance = (n * n - sum(count * count for count in margins.values())) / (n - 1)
        return 1 - observed / chance

    spent, value = measured(work)
    times = {name: seconds * (REPLICATES + 1) for name, seconds in spent.items()}
    return {**times, "alpha": value, "note": "one alpha measured, times 1,001"}


def krippendorff(items: int, limit: float):
    """The package, once and in a loop over resampled items (value counts, its fast form)."""
    import krippendorff as package
    import numpy as np

    codes = judgements(items)
    counts = np.stack([(codes == category).sum(axis=1) for category in range(CATEGORIES)], axis=1)

    def one(table):
        return package.alpha(value_counts=table, level_of_measurement="nominal")

    once, value = measured(lambda: one(counts))
    generator = np.random.default_rng(1)
    replicates = []

    def loop():
        start = time.perf_counter()
        while len(replicates) < REPLICATES and time.perf_counter() - start < limit:
            replicates.append(one(counts[generator.integers(0, items, size=items)]))

    spent, _ = measured(loop)
    done = len(replicates)
    low, high = np.quantile(replicates, [0.025, 0.975])
    note = "" if done == REPLICATES else f"stopped after {done} of {REPLICATES} replicates, extrapolated"
    return {
        **{name: once[name] + spent[name] * REPLICATES / done for name in spent},
        "alpha": float(value),
        "low": float(low),
        "high": float(high),
        "note": note,
    }


def irrcac(items: int, _limit: float):
    """irrCAC's alpha without the bootstrap, on a table of ratings."""
    import pandas as pd
    from irrCAC.raw import CAC

    codes = judgements(items)
    frame = pd.DataFrame(codes).astype(float)
    spent, found = measured(lambda: CAC(frame).krippendorff())
    note = "one alpha, rounded by irrCAC; no bootstrap over items"
    return {**spent, "alpha": float(found["est"]["coefficient_value"]), "note": note}


def simpledorff(items: int, _limit: float):
    """simpledorff's alpha without a bootstrap, on a long table."""
    import numpy as np
    import pandas as pd
    import simpledorff as package

    codes = judgements(items)
    frame = pd.DataFrame(
        {
            "item": np.repeat(np.arange(items), ANNOTATORS),
            "annotator": np.tile(np.arange(ANNOTATORS), items),
            "value": codes.ravel(),
        }
    )

    def work():
        return package.calculate_krippendorffs_alpha_for_df(
            frame, experiment_col="item", annotator_col="annotator", class_col="value"
        )

    spent, value = measured(work)
    return {**spent, "alpha": float(value), "note": "one alpha; no bootstrap"}


PEERS = ("krippendorff", "irrcac", "simpledorff")
WORK = {work.__name__: work for work in (scan, ours, ours_long, naive, krippendorff, irrcac, simpledorff)}
LABELS = {
    "scan": "bare Parquet scan (polars)",
    "ours": "pattern histogram, from a matrix",
    "ours_long": "whole report from a long table, by 2 groups with cross-group",
    "naive": "definition in a Python loop",
    "krippendorff": "krippendorff, looped",
    "irrcac": "irrCAC, once",
    "simpledorff": "simpledorff, once",
}


def run(python: str, name: str, items: int, loop: float, limits: dict[str, float]):
    from benchmarks.own_process import run_limited

    file = str(Path(__file__).resolve())
    command = [python, file, "--one", name, "--items", str(items), "--loop", str(loop)]
    return run_limited(command, cwd=ROOT, **limits)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--peer-python")
    parser.add_argument("--loop", type=float, default=60, help="seconds for a peer's loop of replicates")
    parser.add_argument("--limit", type=float, default=600, help="seconds a peer may take in all")
    parser.add_argument("--memory", type=float, default=8_000, help="megabytes a peer may hold")
    parser.add_argument(
        "--only", nargs="+", choices=list(LABELS), help="measure only these, beside the bare scan"
    )
    parser.add_argument("--one", choices=sorted(WORK))
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.one:
        result = WORK[given.one](given.items[0], given.loop)
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    for items in given.items:
        print(f"{items:,} items x {ANNOTATORS} annotators, alpha and {REPLICATES:,} bootstraps")
        base = None
        for name, label in LABELS.items():
            if given.only and name not in {"scan", *given.only}:
                continue
            if name in PEERS and not given.peer_python:
                print(f"  {label:62} skipped: no --peer-python")
                continue
            python = given.peer_python if name in PEERS else sys.executable
            limits = {"seconds": given.limit, "megabytes": given.memory} if name in PEERS else {}
            found = run(python, name, items, given.loop, limits)
            if "stopped" in found:
                print(f"  {label:62} {found['stopped']}", flush=True)
                continue
            base = base or found["cpu"]
            ends = [f"{found[end]:.4f}" for end in ("low", "high") if end in found]
            alpha = (
                f"alpha {found['alpha']:.6f}  {' to '.join(ends) or 'no interval'}"
                if "alpha" in found
                else ""
            )
            print(
                f"  {label:62} {found['cpu']:10.3f} CPU s {found['wall']:10.3f} s {found['peak_mb']:7.0f} MB "
                f"{found['cpu'] / base:10.2f} x scan  {alpha}  {found.get('note', '')}",
                flush=True,
            )


if __name__ == "__main__":
    main()
