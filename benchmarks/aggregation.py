"""Dawid-Skene and Bradley-Terry against crowd-kit, in one run: CPU seconds, peak memory, ratios, same answers.

    python benchmarks/aggregation.py [--judgements 100000 1000000 10000000] [--peer-python PATH] [--limit 600]

crowd-kit runs in an environment of its own, given by ``--peer-python``; without it it is skipped, and the output
says so. A peer that passes the limit of seconds or 8 GB is stopped, and the output says so too. Every
measurement is a process of its own that makes the same judgements from the same seed. Five annotators out of
50 per item, four categories; 30 things compared in pairs, without ties, which crowd-kit does not model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

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
    before = time.process_time()
    result = work()
    return time.process_time() - before, result


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
    seconds, labels = measured(work)
    return {"cpu": seconds, "answer": sha(labels)}


def dawid_skene_crowdkit(judgements: int):
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    items, who, said, _ = votes(judgements)
    frame = pd.DataFrame({"task": items, "worker": who, "label": said})
    seconds, labels = measured(lambda: DawidSkene(n_iter=STEPS + 1, tol=-1e9).fit_predict(frame))
    return {"cpu": seconds, "answer": sha(labels.sort_index().to_numpy())}


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

    seconds, theta = measured(work)
    return {"cpu": seconds, "answer": " ".join(f"{x:.3f}" for x in np.sort(theta)[[0, -1]])}


def bradley_terry_crowdkit(judgements: int):
    import numpy as np
    import pandas as pd
    from crowdkit.aggregation import BradleyTerry

    a, b, won = pairs(judgements)
    frame = pd.DataFrame({"worker": 0, "left": a, "right": b, "label": np.where(won, a, b)})
    # Its old scores are the same array as its new ones, so any tolerance above 0 stops it after two steps.
    seconds, scores = measured(lambda: BradleyTerry(n_iter=200, tol=-1).fit_predict(frame))
    theta = np.log(scores.to_numpy())
    theta -= theta.mean()
    return {"cpu": seconds, "answer": " ".join(f"{x:.3f}" for x in np.sort(theta)[[0, -1]])}


WORK = {
    work.__name__: work
    for work in (dawid_skene_ours, dawid_skene_crowdkit, bradley_terry_ours, bradley_terry_crowdkit)
}


def run(python: str, name: str, judgements: int, limit: float):
    root = Path(__file__).resolve().parents[1]
    command = [python, str(Path(__file__).resolve()), "--one", name, "--judgements", str(judgements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {limit:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--judgements", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--peer-python")
    parser.add_argument("--limit", type=float, default=600, help="seconds for each measurement")
    parser.add_argument("--one", choices=sorted(WORK))
    given = parser.parse_args()
    if given.one:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        if given.one.endswith("crowdkit"):
            resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
        result = WORK[given.one](given.judgements[0])
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    for judgements in given.judgements:
        print(f"{judgements:,} judgements")
        base = None
        for name in WORK:
            peer = name.endswith("crowdkit")
            if peer and not given.peer_python:
                print(f"  {name:26} skipped: no --peer-python")
                continue
            found = run(given.peer_python if peer else sys.executable, name, judgements, given.limit)
            if "error" in found:
                print(f"  {name:26} {found['error']}")
                continue
            base = base if peer else found["cpu"]
            print(
                f"  {name:26} {found['cpu']:9.3f} CPU s {found['cpu'] / base:8.1f} x {found['peak_mb']:7.0f} MB"
                f"  answer {found['answer']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
