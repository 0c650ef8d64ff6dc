"""Rates of the object store's backends, beside the bare boto3 calls that its S3 backend is made of.

Run as ``python -m benchmarks.objects [--small N] [--large MB] [--json]``. Wall time and CPU seconds of this
process; the peer does what a program without the store would do: ``put_object`` and ``get_object``, with
botocore's own retries, no digest, no condition. Ratios are of one run on one machine, sides taken in turn.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import boto3

from annotation.ports import ObjectStore
from infra.objects_directory import DirectoryStore
from tests.support.s3 import Server, rclone_server

IN_FLIGHT = 16
BYTES = 4096
ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One measurement: the best of the rounds, and the CPU seconds of that round."""

    what: str
    backend: str
    rate: float
    unit: str
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Side:
    """One way of storing and getting bytes under a key."""

    name: str
    put: Callable[[bytes], str]
    get: Callable[[str], bytes]


def of_store(name: str, store: ObjectStore) -> Side:
    return Side(name=name, put=lambda data: store.put("bench", data), get=lambda key: store.get("bench", key))


def of_boto3(server: Server) -> Side:
    s3 = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=boto3.session.Config(
            max_pool_connections=64,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    s3.create_bucket(Bucket="bare")

    def put(data: bytes) -> str:
        key = secrets.token_hex(32)
        s3.put_object(Bucket="bare", Key=key, Body=data)
        return key

    return Side(
        name="boto3 bare", put=put, get=lambda key: s3.get_object(Bucket="bare", Key=key)["Body"].read()
    )


def timed(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(sides: list[Side], small: int, large: int) -> list[Rate]:
    best: dict[tuple[str, str], Rate] = {}

    def keep(what: str, side: Side, amount: float, unit: str, took: tuple[float, float]) -> None:
        rate = Rate(what=what, backend=side.name, rate=amount / took[0], unit=unit, cpu=took[1])
        if (what, side.name) not in best or best[what, side.name].rate < rate.rate:
            best[what, side.name] = rate

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for _ in range(ROUNDS):
            for side in sides:
                bodies = [secrets.token_bytes(BYTES) for _ in range(small)]
                keys: list[str] = []
                took = timed(
                    lambda side=side, bodies=bodies, keys=keys: keys.extend(pool.map(side.put, bodies))
                )
                keep("put 4 KB", side, small, "/s", took)
                got: list[bytes] = []
                took = timed(lambda side=side, keys=keys, got=got: got.extend(pool.map(side.get, keys)))
                keep("get 4 KB", side, small, "/s", took)
                assert got == bodies, "what was got is not what was put"
                body = secrets.token_bytes(large << 20)
                held: list[str] = []
                took = timed(lambda side=side, body=body, held=held: held.append(side.put(body)))
                keep(f"put {large} MB", side, large, "MB/s", took)
                took = timed(lambda side=side, held=held: side.get(held[0]))
                keep(f"get {large} MB", side, large, "MB/s", took)
    return [best[key] for key in sorted(best)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=500, help="objects of 4 KB per round")
    parser.add_argument("--large", type=int, default=64, help="megabytes of the large object")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bounds-bench-") as name:
        folder = Path(name)
        with rclone_server(folder / "rclone") as server:
            sides = [
                of_store("directory", DirectoryStore(folder / "directory")),
                of_store("S3 store", server.store("bench")),
                of_boto3(server),
            ]
            rates = measure(sides, asked.small, asked.large)
    if asked.json:
        sys.stdout.write(json.dumps([asdict(rate) for rate in rates]) + "\n")
        return
    print(f"{IN_FLIGHT} requests in flight, best of {ROUNDS} rounds; S3 is rclone's server on loopback")
    print(f"{'':12}{'backend':14}{'rate':>12}{'':6}{'CPU s':>8}  {'against boto3 bare':>18}")
    peers = {rate.what: rate.rate for rate in rates if rate.backend == "boto3 bare"}
    for rate in rates:
        ratio = rate.rate / peers[rate.what]
        print(
            f"{rate.what:12}{rate.backend:14}{rate.rate:12,.0f} {rate.unit:5}{rate.cpu:8.2f}  {ratio:17.2f}x"
        )


if __name__ == "__main__":
    main()
