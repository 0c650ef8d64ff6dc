"""What the gate adds to setting an alias: the same MLflow with and without it, both up, asked by turns.

.venv/bin/python benchmarks/gate_latency.py [--sets 300] [--large-sets 60] [--megabytes 64]

Each set moves ``champion`` to the other of two versions that passed, over one kept connection a server. The gate
verifies the signed terms and the decision and digests the version's files each time, so files of some size are
measured too. Embedded SQLite, uvicorn with one worker, loopback; milliseconds seen by the client. Ended by a signal it
takes its servers along.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import requests

from tests.attacks.deployment import ALIAS, MODEL, Deployment, Shape

WARM = 20
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def prepared(folder: Path) -> Deployment:
    folder.mkdir()
    server = Deployment(folder=folder, shape=Shape(), database=f"sqlite:///{folder / 'mlflow.db'}")
    server.publish()
    return server


def two_versions(server: Deployment, size: str, files: dict[str, bytes]) -> list[str]:
    made = [server.register(f"{size}-{number}", files) for number in range(2)]
    for version in made:
        server.decide(version)
    server.publish()
    return [version.version for version in made]


def set_once(session: requests.Session, server: Deployment, version: str) -> float:
    """Milliseconds of one set that was allowed."""
    body = {"name": MODEL, "alias": ALIAS, "version": version}
    begun = time.perf_counter()
    answer = session.post(f"{server.root}/api/2.0/mlflow/registered-models/alias", json=body, timeout=60)
    spent = 1000 * (time.perf_counter() - begun)
    answer.raise_for_status()
    return spent


def measured(servers: list[Deployment], versions: list[list[str]], sets: int) -> list[list[float]]:
    """By turns, and who begins by turns too."""
    times: list[list[float]] = [[], []]
    sessions = [requests.Session(), requests.Session()]
    for turn in range(WARM + sets):
        for which in (0, 1) if turn % 4 < 2 else (1, 0):
            spent = set_once(sessions[which], servers[which], versions[which][turn % 2])
            if turn >= WARM:
                times[which].append(spent)
    for server, pair in zip(servers, versions, strict=True):
        assert server_champion(server) == pair[(WARM + sets - 1) % 2]
    return times


def server_champion(server: Deployment) -> str:
    asked = {"name": MODEL, "alias": ALIAS}
    found = server.ok("GET", "mlflow/registered-models/alias", params=asked)
    return str(found["model_version"]["version"])


def row(size: str, times: list[list[float]]) -> str:
    cuts = [statistics.quantiles(values, n=100, method="inclusive") for values in times]
    cells = [
        f"{plain:.1f} | {gated:.1f} | {gated / plain:.2f}"
        for plain, gated in ((cuts[0][at], cuts[1][at]) for at in (49, 98))
    ]
    return f"| {size} | {len(times[0])} | {' | '.join(cells)} | {os.getloadavg()[0]:.1f} |"


def ended(number: int, _frame: object) -> None:
    """Leave by the exits that stop the servers, and let no second signal cut them short."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=300, help="sets a server and size")
    parser.add_argument("--large-sets", type=int, default=60, help="sets a server of the larger version")
    parser.add_argument("--megabytes", type=int, default=64, help="the larger version's one file")
    asked = parser.parse_args()
    sizes = {
        "2 files, under 1 kB": {"MLmodel": b"flavors: {}\n", "data/weights.bin": b"weights"},
        f"2 files, {asked.megabytes} MB": {
            "MLmodel": b"flavors: {}\n",
            "data/weights.bin": os.urandom(1 << 20) * asked.megabytes,
        },
    }
    servers: list[Deployment] = []
    for number in SIGNALS:
        signal.signal(number, ended)
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, gated in (("plain", False), ("gated", True)):
                servers.append(prepared(Path(folder) / name))
                servers[-1].start(gated=gated)
            print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
            print(
                "| version | sets | p50 plain ms | p50 gated ms | ratio | p99 plain ms | p99 gated ms | ratio | load |"
            )
            print("|---|---|---|---|---|---|---|---|---|")
            for (size, files), sets in zip(sizes.items(), (asked.sets, asked.large_sets), strict=True):
                versions = [two_versions(server, size.split()[2], files) for server in servers]
                print(row(size, measured(servers, versions, sets)), flush=True)
            print(f"load after: {os.getloadavg()[0]:.2f}")
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
