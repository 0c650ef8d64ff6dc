"""Seconds for the statistics of ten thousand rule and stratum cells, and for the strata of a large panel.

Run: ``python -m benchmarks.audit_statistics``. Prints one JSON document; figures are the median of five runs.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from governance.audit.alignment import HeldOut, agreement
from governance.audit.comparisons import excess_pvalue, holm, mcnemar, shrink
from governance.audit.evalue import log_evalue_fail, log_evalue_pass
from governance.audit.statistics import lower_bound, pass_power, upper_bound, verdicts

CELLS: Final = 10_000
_RUNS: Final = 5


def cells() -> dict[str, Callable[[], object]]:
    """Each part of a report's statistics over all cells at once."""
    random = np.random.default_rng(1)
    n = random.integers(60, 2_000, CELLS)
    rate = random.beta(1, 40, CELLS)
    k = random.binomial(n, rate)
    limits = random.choice([0.01, 0.05, 0.15], CELLS)
    b, c = random.binomial(n, 0.02), random.binomial(n, 0.03)
    return {
        "bounds": lambda: (lower_bound(k, n), upper_bound(k, n)),
        "verdicts": lambda: verdicts(k, n, limit=limits),
        "power": lambda: pass_power(n, 3, limits / 5),
        "e-values": lambda: (log_evalue_pass(k, n, limit=0.05), log_evalue_fail(k, n, limit=0.05)),
        "accusing (Holm)": lambda: holm(excess_pvalue(k, n, limits)),
        "against the champion (McNemar)": lambda: mcnemar(b, c),
        "empirical Bayes": lambda: shrink(k, n),
    }


def panel() -> Callable[[], object]:
    """One hundred strata of a panel of 100,000 judgements, clustered by person and item."""
    random = np.random.default_rng(2)
    people = random.integers(0, 3_000, 100_000)
    items = random.integers(0, 2_000, 100_000)
    held_out = HeldOut(
        annotators=[f"p{i}" for i in people],
        items=[f"i{i}" for i in items],
        agrees=list((random.random(100_000) < 0.7).astype(float)),
        strata={"group": [str(i % 100) for i in people]},
    )
    return lambda: [agreement(held_out, held_out.mask({"group": str(g)})) for g in range(100)]


def _seconds(act: Callable[[], object]) -> float:
    times = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times), 4)


def measure() -> dict[str, object]:
    """Seconds of each part, their sum, and the panel's."""
    parts = {name: _seconds(act) for name, act in cells().items()}
    return {
        "cells": CELLS,
        "seconds": parts,
        "whole": round(sum(parts.values()), 4),
        "panel_of_100_strata": _seconds(panel()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
