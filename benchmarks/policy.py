"""Measure the policy engine: decisions, columns, compilation, whole profiles; against other engines.

Run ``python -m benchmarks.policy``. Peers that are not installed are named and left out; to measure them,
install them anywhere and put that folder on PYTHONPATH. All run in one process, one thread, on the same
generated policies; every answer is compared before anything is timed. Best of several rounds is reported
(other work on the machine only ever slows a round), and p50 and p99 of single decisions of one round.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.policy_peers import peers
from benchmarks.policy_stack import DIMENSIONS, documents, kind_of, make_requests, make_rules
from governance.policy.batch import Coded, decide_column
from governance.policy.compose import compose
from governance.policy.document import parse
from governance.policy.model import EffectivePolicy
from governance.policy.resolve import resolve

AT = datetime(2026, 11, 21, tzinfo=UTC)
SIZES = (100, 1_000, 10_000)


def best(run: Callable[[], Any], rounds: int = 5) -> float:
    """CPU seconds of the quickest round (one thread: on a quiet machine the same as the wall's)."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return min(found)


def compiled(count: int) -> tuple[EffectivePolicy, float, float]:
    """A policy of ``count`` rules, the seconds to parse its documents and to compile it ready to decide."""
    plain = documents(make_rules(count))
    started = time.process_time()
    stack = [parse(document, source="benchmark") for document in plain]
    parsed = time.process_time() - started

    def build() -> EffectivePolicy:
        policy = compose(stack, at=AT)
        for request in _every_cell():
            policy.decider.decide(*request)
        return policy

    return build(), parsed, best(build, 3)


def _every_cell() -> list[tuple[str, Any, dict[str, str]]]:
    first = {"choice": "w0", "flag": True, "range": 50}
    return [
        (f"d{n}", first[kind_of(n)], {"age": age})
        for n in range(DIMENSIONS)
        for age in ("child", "teen", "adult")
    ]


def singles(policy: EffectivePolicy, asked: list[tuple[str, Any, dict[str, str]]]) -> dict[str, float]:
    """Decisions a second in a plain loop, and the time of single ones."""
    decide = policy.decider.decide

    def loop() -> None:
        for dimension, value, context in asked:
            decide(dimension, value, context)

    seconds = best(loop)
    times = np.empty(len(asked))
    clock = time.perf_counter_ns
    for row, (dimension, value, context) in enumerate(asked):
        started = clock()
        decide(dimension, value, context)
        times[row] = clock() - started
    return {
        "per_second": len(asked) / seconds,
        "p50_us": float(np.percentile(times, 50)) / 1000,
        "p99_us": float(np.percentile(times, 99)) / 1000,
    }


def columns(policy: EffectivePolicy, rows: int = 2_000_000) -> dict[str, float]:
    """Rows a second for a column of words, of whole numbers and of decimals."""
    rng = np.random.default_rng(5)
    words = Coded(rng.integers(0, 8, rows, dtype=np.int8), [f"w{n}" for n in range(8)])
    whole = rng.integers(-10, 110, rows, dtype=np.int32)
    decimals = rng.integers(-100, 1100, rows) / 10
    context = {"age": "teen"}
    return {
        "words_per_second": rows / best(lambda: decide_column(policy, "d0", words, context)),
        "whole_numbers_per_second": rows / best(lambda: decide_column(policy, "d2", whole, context)),
        "decimals_per_second": rows / best(lambda: decide_column(policy, "d2", decimals, context)),
    }


def profile_rate(policy: EffectivePolicy) -> float:
    """Whole profiles of 20 wishes resolved a second."""
    inside = {"choice": "w7", "flag": False, "range": 150}
    profile = {"wishes": {f"d{n}": inside[kind_of(n)] for n in range(DIMENSIONS)}, "context": {"age": "teen"}}
    return 100 / best(lambda: [resolve(policy, profile) for _ in range(100)])


def measure_peer(
    make: Callable[[], Any], asked: list[Any], expected: list[bool], budget: float
) -> dict[str, Any]:
    """Compile a peer, compare its answers, then time as many requests as the budget allows."""
    started = time.process_time()
    try:
        ask = make()
    except Exception as error:  # noqa: BLE001 - a peer's own error, whatever its type, is its result
        return {"error": f"does not compile: {str(error)[:80]}"}
    compile_seconds = time.process_time() - started
    sample = asked[:200]
    started = time.process_time()
    equal = ask(sample) == expected[:200]
    each = (time.process_time() - started) / len(sample)
    batch = asked[: max(50, min(len(asked), int(budget / each)))]
    if ask(batch) != expected[: len(batch)]:
        equal = False
    return {
        "equal": equal,
        "compile_seconds": compile_seconds,
        "per_second": len(batch) / best(lambda: ask(batch), 3),
    }


def main() -> None:
    """Run everything and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds for one round of a peer")
    options = parser.parse_args()
    asked = make_requests(options.requests)
    report: dict[str, Any] = {}
    for count in SIZES:
        policy, parsed, built = compiled(count)
        expected = [bool(policy.decider.decide(*request)) for request in asked]
        # the kept answers against answers worked out anew, before anything is timed
        fresh = compose([parse(d, source="again") for d in documents(make_rules(count))], at=AT)
        for request, answer in list(zip(asked, expected, strict=True))[:2_000]:
            cell = fresh.decider.cell(request[0], request[2])
            assert bool(cell.judge(request[1])) == answer  # type: ignore[union-attr]
        own = {
            "parse_seconds": parsed,
            "compile_seconds": built,
            **singles(policy, asked),
            **columns(policy),
            "profiles_per_second": profile_rate(policy),
            "allowed_share": sum(expected) / len(expected),
        }
        rows: dict[str, Any] = {"bounds": own}
        for name, made in peers(make_rules(count)):
            rows[name] = (
                {"error": made}
                if isinstance(made, str)
                else measure_peer(made, asked, expected, options.budget)
            )
        report[str(count)] = rows
        if not options.json:
            show(count, rows)
    if options.json:
        print(json.dumps(report, indent=2))


def show(count: int, rows: dict[str, Any]) -> None:
    """One table for one size."""
    own = rows["bounds"]
    print(f"\n{count:,} rules, {own['allowed_share']:.0%} of the requests allowed")
    print(f"  compile {own['compile_seconds']:.3f} s (documents parsed in {own['parse_seconds']:.3f} s)")
    print(f"  single {own['per_second']:,.0f}/s, p50 {own['p50_us']:.2f} us, p99 {own['p99_us']:.2f} us")
    print(
        f"  columns: words {own['words_per_second']:,.0f}/s, whole numbers {own['whole_numbers_per_second']:,.0f}/s, "
        f"decimals {own['decimals_per_second']:,.0f}/s; profiles of 20 wishes {own['profiles_per_second']:,.0f}/s"
    )
    for name, row in rows.items():
        if name == "bounds":
            continue
        if "error" in row:
            print(f"  {name}: {row['error']}")
        else:
            ratio = own["per_second"] / row["per_second"]
            print(
                f"  {name}: {row['per_second']:,.0f}/s, bounds is {ratio:,.0f} times as fast; "
                f"answers {'equal' if row['equal'] else 'DIFFER'}; compiled in {row['compile_seconds']:.2f} s"
            )


if __name__ == "__main__":
    main()
