"""Dawid-Skene and Bradley-Terry against crowd-kit, in one run: CPU seconds, peak memory, ratios, same answers.

    python benchmarks/aggregation.py [--judgements 100000 1000000 10000000] [--peer-python PATH] [--limit 600]

crowd-kit runs in an environment of its own, given by ``--peer-python``; without it it is skipped, and the output
says so. A peer that passes 10 minutes or 8 GB is stopped, and the output says so too. Every
measurement is a process of its own that makes the same judgements from the same seed. Five annotators out of
50 per item, four categories; 30 things compared in pairs, without ties, which crowd-kit does not model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CATEGORIES, PEOPLE, EACH, THINGS = 4, 50, 5, 30
STEPS = 20


def votes(judgements: int):
    import numpy as np

    items = judgements // EACH
    generator = np.random.default_rng(judgements)
    truth = generator.integers(0, CATEGORIES, size=items)
    skill = generator.uniform(0.5, 0.95, size=PEOPLE)
    first = generator.integers(0, PEOPLE, size=items)
    who = (first[:, None] + np.arange(EACH) * 7) % PEOPLE  # five different people
    right = generator.random((items, EACH)) < skill[who]
    said = np.where(right, truth[:, None], generator.integers(0, CATEGORIES, size=(items, EACH)))
    return np.repeat(np.arange(items), EACH), who.ravel(), said.ravel(), items


def pairs(judgements: int):
    import numpy as np

    generator = np.random.default_rng(judgements)
    theta = generator.normal(size=THINGS)
    a = generator.integers(0, THINGS, size=judgements)
    b = (a + generator.integers(1, THINGS, size=judgements)) % THINGS
    return a, b, generator.random(judgements) < 1 / (1 + np.exp(theta[b] - theta[a]))


def measured(work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}, result


def scan(judgements: int):
    """The votes as a long table in a Parquet file, read: the least that any pass over them costs."""
    import polars as pl

    items, who, said, _ = votes(judgements)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "votes.parquet"
        pl.DataFrame({"item": items, "annotator": who, "value": said}).write_parquet(file)
        spent, frame = measured(lambda: pl.read_parquet(file))
    return {**spent, "answer": f"{frame.height:,} rows of three columns"}


def sha(labels) -> str:
    import numpy as np

    return hashlib.sha256(np.asarray(labels, dtype=np.int8).tobytes()).hexdigest()[:16]


def dawid_skene_ours(judgements: int):
    from annotation.dawid_skene import answers, dawid_skene

    items, who, said, many = votes(judgements)

    def work():
        given = answers(items, who, said, n_items=many, n_annotators=PEOPLE, n_categories=CATEGORIES)
        model = dawid_skene([given], n_categories=CATEGORIES, iterations=STEPS, tolerance=-1)
        return model.posterior(given).argmax(axis=1)

    # crowd-kit ends with an E-step before its last M-step: our posteriors are those of one step later.
    spent, labels = measured(work)
    return {**spent, "answer": sha(labels)}


def dawid_skene_crowdkit(judgements: int):
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    items, who, said, _ = votes(judgements)
    frame = pd.DataFrame({"task": items, "worker": who, "label": said})
    spent, labels = measured(lambda: DawidSkene(n_iter=STEPS + 1, tol=-1e9).fit_predict(frame))
    return {**spent, "answer": sha(labels.sort_index().to_numpy())}


def bradley_terry_ours(judgements: int):
    import numpy as np

    from annotation.bradley_terry import Comparisons, bradley_terry

    a, b, won = pairs(judgements)

    def work():
        counts = np.bincount((a * THINGS + b) * 2 + won, minlength=THINGS * THINGS * 2)
        cells = np.flatnonzero(counts)
        rows, outcome = cells // 2, np.where(cells % 2, -1, 1)
        given = Comparisons(
            first=rows // THINGS, second=rows % THINGS, outcome=outcome, weight=counts[cells].astype(float)
        )
        return bradley_terry(given, n=THINGS).strengths

    spent, theta = measured(work)
    return {**spent, "answer": " ".join(f"{x:.3f}" for x in np.sort(theta)[[0, -1]])}


def bradley_terry_crowdkit(judgements: int):
    import numpy as np
    import pandas as pd
    from crowdkit.aggregation import BradleyTerry

    a, b, won = pairs(judgements)
    frame = pd.DataFrame({"worker": 0, "left": a, "right": b, "label": np.where(won, a, b)})
    # Its old scores are the same array as its new ones, so any tolerance above 0 stops it after two steps.
    spent, scores = measured(lambda: BradleyTerry(n_iter=200, tol=-1).fit_predict(frame))
    theta = np.log(scores.to_numpy())
    theta -= theta.mean()
    return {**spent, "answer": " ".join(f"{x:.3f}" for x in np.sort(theta)[[0, -1]])}


WORK = {
    work.__name__: work
    for work in (scan, dawid_skene_ours, dawid_skene_crowdkit, bradley_terry_ours, bradley_terry_crowdkit)
}


def run(python: str, name: str, judgements: int, limits: dict[str, float]):
    from benchmarks.own_process import run_limited

    command = [python, str(Path(__file__).resolve()), "--one", name, "--judgements", str(judgements)]
    return run_limited(command, cwd=ROOT, **limits)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--judgements", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--peer-python")
    parser.add_argument("--limit", type=float, default=600, help="seconds a peer may take")
    parser.add_argument("--memory", type=float, default=8_000, help="megabytes a peer may hold")
    parser.add_argument("--one", choices=sorted(WORK))
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.one:
        result = WORK[given.one](given.judgements[0])
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    for judgements in given.judgements:
        print(f"{judgements:,} judgements")
        base = ours = None
        for name in WORK:
            peer = name.endswith("crowdkit")
            if peer and not given.peer_python:
                print(f"  {name:26} skipped: no --peer-python")
                continue
            limits = {"seconds": given.limit, "megabytes": given.memory} if peer else {}
            found = run(given.peer_python if peer else sys.executable, name, judgements, limits)
            if "stopped" in found:
                print(f"  {name:26} {found['stopped']}", flush=True)
                continue
            base, ours = base or found["cpu"], ours if peer else found["cpu"]
            print(
                f"  {name:26} {found['cpu']:9.3f} CPU s {found['wall']:9.3f} s {found['peak_mb']:7.0f} MB "
                f"{found['cpu'] / base:8.1f} x scan {found['cpu'] / ours:8.1f} x ours  answer {found['answer']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
