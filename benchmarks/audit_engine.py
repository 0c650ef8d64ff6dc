"""Audit engine against a bare aiohttp loop, same stub, same 2,000 probes, 64 in flight, whole-process wall time.

    python benchmarks/audit_engine.py [--probes 2000] [--rounds 3]

Each measurement is a process of its own, in turns, so that both see the same machine; the stub is a third
process. Printed: requests a second by wall time of the whole process, CPU milliseconds a probe, peak memory,
and the ratio engine to bare loop. The answers of both are compared before any figure is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
IN_FLIGHT = 64


def serve(delay: float) -> None:
    from aiohttp import web

    async def complete(request):
        body = await request.json()
        if delay:
            await asyncio.sleep(delay)
        text = f"answer to {body['messages'][-1]['content']}"
        return web.json_response(
            {"choices": [{"message": {"content": text}}], "usage": {"completion_tokens": 4}}
        )

    async def run():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def bare(url: str, probes: int) -> dict[str, str]:
    import aiohttp

    async def run():
        answers: dict[str, str] = {}
        numbers = iter(range(probes))

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

            async def work():
                for number in numbers:
                    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
                    async with session.post(f"{url}/chat/completions", data=json.dumps(body).encode(),
                                            headers={"Content-Type": "application/json"}) as reply:  # fmt: skip
                        value = await reply.json()
                    answers[f"p{number}"] = value["choices"][0]["message"]["content"]

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return answers

    return asyncio.run(run())


def engine(url: str, probes: int) -> dict[str, str]:
    """With durability, the cache and judging on."""
    from governance.audit.judges import Label, RefusalPatterns
    from governance.audit.probes import Expectation, Probe, Turn
    from governance.audit.responses import Request
    from infra.endpoints import Endpoint, EndpointSubject

    asked = [
        Request(
            probe=Probe(
                id=f"p{number}",
                family=f"f{number}",
                turns=(Turn(role="user", text=f"question {number}"),),
                expectation=Expectation.COMPLY,
            )
        )
        for number in range(probes)
    ]
    by_id = {request.probe.id: request.probe for request in asked}
    judge = RefusalPatterns()
    with tempfile.TemporaryDirectory() as folder:
        subject = EndpointSubject(
            Endpoint(url=url, model="m", in_flight=IN_FLIGHT), evidence=Path(folder) / "evidence.db"
        )
        answers = {}
        for response in subject.respond(asked):
            assert judge.label(by_id[response.probe], response) is Label.COMPLIES
            answers[response.probe] = response.text or response.error
    return answers


def child(what: str, url: str, probes: int) -> None:
    answers = {"bare": bare, "engine": engine}[what](url, probes)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "answers": hash(tuple(sorted(answers.items()))) if len(answers) == probes else None,
                "cpu": usage.ru_utime + usage.ru_stime,
                "memory": usage.ru_maxrss / 1024,
            }
        )
    )


def measure(what: str, url: str, probes: int) -> dict[str, float]:
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--child", what, url, str(probes)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
    )
    return json.loads(done.stdout) | {"wall": time.perf_counter() - begin}


def main() -> None:
    if "--child" in sys.argv:
        return child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    if "--serve" in sys.argv:
        return serve(float(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.probes} probes, {IN_FLIGHT} in flight, median of {options.rounds} rounds in turns")
    print(f"{'delay':>7} {'runner':>7} {'probes/s':>9} {'CPU ms/probe':>13} {'peak MB':>8} {'ratio':>6}")
    for delay in (0.05, 0.0):
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(delay)], stdout=subprocess.PIPE, text=True
        )
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            rounds = [
                {what: measure(what, url, options.probes) for what in ("bare", "engine")}
                for _ in range(options.rounds)
            ]
        finally:
            server.terminate()
            server.wait()
        assert len({one[what]["answers"] for one in rounds for what in one}) == 1, (
            "the runners gave other answers"
        )
        rate = {}
        for what in ("bare", "engine"):
            wall, cpu, memory = (
                statistics.median(one[what][name] for one in rounds) for name in ("wall", "cpu", "memory")
            )
            rate[what] = options.probes / wall
            print(f"{1000 * delay:5.0f}ms {what:>7} {rate[what]:9.0f} {1000 * cpu / options.probes:13.2f} {memory:8.0f} "
                  f"{rate[what] / rate['bare']:6.2f}")  # fmt: skip
    return None


if __name__ == "__main__":
    main()
