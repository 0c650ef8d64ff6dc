"""The log as it grows: appends a second (one flush each, and batched), proofs, full verification, bytes on disk.

    .venv/bin/python benchmarks/log.py [--most 1000000] [--pymerkle PYTHON]

``--pymerkle`` names the interpreter of an environment of its own that holds pymerkle (GPLv3+: measured beside, never
part of this). Both keep their tree in SQLite on the same disk; pymerkle keeps 32-byte hashes and its bytes, no index of
acts, and nothing is written for outsiders. Verification runs in a process of its own: "MB" is the most memory it held, after
what it held before it read anything. pymerkle is stopped after ten minutes or at 8 GB.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.own_process import measure
from governance.digest import digest
from governance.log.check import check_log
from governance.log.entry import Kind
from governance.log.merkle import verify_consistency, verify_inclusion
from infra import log
from infra.bundle import Bundle
from infra.database import Database
from infra.log_checkpoint import sign_checkpoint
from infra.log_export import write_tiles
from infra.log_spill import spilled
from infra.settings import Settings
from infra.trust import log_verifier

NOW = datetime(2026, 6, 2, tzinfo=UTC)
BATCH = 10_000
PATIENCE = 600
PEER = """
import json, sys, time, tempfile, os, resource
resource.setrlimit(resource.RLIMIT_AS, (8 * 10**9, 8 * 10**9))
from pymerkle import SqliteTree
path = os.path.join(tempfile.mkdtemp(), "peer.db")
count = int(sys.argv[1])
made = lambda begin, end: [json.dumps({"number": n, "digest": "sha256:" + "0" * 64}).encode() for n in range(begin, end)]
with SqliteTree(path, algorithm="sha256") as tree:
    begun = time.perf_counter()
    for entry in made(0, 300):
        tree.append_entry(entry)
    single = 300 / (time.perf_counter() - begun)
    took = 0.0
    for first in range(300, count, 100_000):
        part = made(first, min(first + 100_000, count))
        begun = time.perf_counter()
        tree.append_entries(part)
        took += time.perf_counter() - begun
    batched = (count - 300) / took
    spent = []
    for at in range(1, count, max(1, count // 20)):
        begun = time.perf_counter()
        tree.prove_inclusion(at)
        spent.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    tree.get_state()
    root = time.perf_counter() - begun
print(json.dumps({"single": single, "batched": batched, "proof_ms": 1000 * sorted(spent)[len(spent) // 2], "root_s": root, "bytes": os.path.getsize(path), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
"""


def peer(python, count):
    command = [python, "-c", PEER, str(count)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"stopped after {PATIENCE} s"
    return json.loads(run.stdout) if run.returncode == 0 else run.stderr.strip()[-300:]


def verifying(home):
    """In a process of its own: the work is everything that ``bounds verify log`` asks of the log's files."""
    bundle, key = Bundle(folder=home / "files"), log_verifier(Settings(home=home))

    def work():
        with spilled() as parts:
            found = check_log(bundle.read, bundle.tiles(), log=key, parts=parts)
        assert found, found.checks
        return found.checkpoint.size

    return work


def act(number):
    return Kind.DECISION, {
        "statement": digest(number), "digest": digest([number]), "model": "chat", "version": str(number),
        "verdict": "PASS",
    }  # fmt: skip


def timed(work, times):
    spent = []
    for argument in times:
        begun = time.perf_counter()
        work(argument)
        spent.append(1000 * (time.perf_counter() - begun))
    return f"{statistics.median(spent):.2f} / {max(spent):.2f}"


def load():
    """Of the machine, over the last minute: what the figures beside it were measured under."""
    return f"{os.getloadavg()[0]:.1f}"


def size_of(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--most", type=int, default=1_000_000)
    options.add_argument("--pymerkle")
    asked = options.parse_args()
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home)
        with Database(f"sqlite:///{home / 'log.db'}", now=NOW) as db:
            begun = time.perf_counter()
            for number in range(300):
                log.append(db, *act(number), NOW)
            single = 300 / (time.perf_counter() - begun)
            print(f"one flush for each append: {single:,.0f} a second; load {load()}", flush=True)
            made, target = 300, 1_000
            print(
                "entries | batched appends/s | inclusion ms (median / max) | consistency ms | database MB | files MB | export s | verify all s | MB | load"
            )
            while target <= asked.most:
                spent, before = 0.0, made
                while made < target:
                    step = min(BATCH, target - made)
                    acts = [act(number) for number in range(made, made + step)]
                    begun = time.perf_counter()
                    log.append_all(db, acts, NOW)
                    spent += time.perf_counter() - begun
                    made += step
                report(db, settings, home, made, (made - before) / spent, rng)
                target *= 10
    if asked.pymerkle:
        for count in (1_000, 10_000, 100_000, 1_000_000, 10_000_000):
            if count > asked.most:
                break
            print(f"pymerkle {count}: {peer(asked.pymerkle, count)}; load {load()}", flush=True)


def report(db, settings, home, made, rate, rng):
    with db.read() as connection:
        tree = log.Tree.at(connection)
        root = tree.root()
        places = [rng.randrange(made) for _ in range(50)]

        def include(at):
            [(_, data)] = log.raw_entries(connection, at, at + 1)
            proof = tree.inclusion(at)
            assert verify_inclusion(log.leaf_hash(data), at, made, proof, root)

        def grown(at):
            old = tree.root(at + 1)
            assert verify_consistency(at + 1, old, made, root, tree.consistency(at + 1))

        inclusion, consistency = timed(include, places), timed(grown, places[:20])
        begun = time.perf_counter()
        write_tiles(home / "files", tree, made)
        exported = time.perf_counter() - begun
    (home / "files/checkpoint").write_bytes(sign_checkpoint(settings, db, NOW))
    verified = measure(verifying, home)
    assert verified["result"] == made, verified
    database = sum(f.stat().st_size for f in home.glob("log.db*"))
    print(
        f"{made:,} | {rate:,.0f} | {inclusion} | {consistency} | {database / 1e6:.1f} | "
        f"{size_of(home / 'files') / 1e6:.1f} | {exported:.2f} | {verified['wall_s']:.2f} | "
        f"{verified['peak_mb']:.0f} after {verified['ready_mb']:.0f} | {load()}",
        flush=True,
    )


if __name__ == "__main__":
    main()
