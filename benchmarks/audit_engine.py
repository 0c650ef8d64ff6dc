"""Audit engine against a bare aiohttp loop, same stub, same 2,000 probes, 64 in flight, whole-process wall time.

    python benchmarks/audit_engine.py [--probes 2000] [--rounds 3] [--delays 0.05 0] [--peers FOLDER]

``engine`` asks, keeps every answer in the evidence file and judges it. ``audit`` is a whole audit: the plan, the
same, exact bounds, the report and its digest. Peers run in environments of their own, where FOLDER holds them
(benchmarks/audit_peers.py says how each is asked); their answers are counted by the stub.

Each measurement is a process of its own, in turns, so that both see the same machine; the stub is a third
process. Each runs once beforehand with 20 prompts, so that its modules are compiled, whatever the shell says about
writing bytecode. Printed: requests a second by wall time of the whole process, and from the first request to the last answer
as the stub saw them (so that the reader sees what start and end cost), each with its ratio to the bare loop; CPU
milliseconds a probe of the whole process with its start; peak memory; seconds to the first request and from the last
answer to the end. The answers of ours and the bare loop's are compared before any figure is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
IN_FLIGHT = 64
BYTECODE = Path(tempfile.gettempdir()) / "bounds-benchmark-bytecode"


def serve(delay: float) -> None:
    from aiohttp import web

    seen = {"requests": 0, "first": None, "last": None}

    async def counted(_):
        found = dict(seen)
        seen.update(requests=0, first=None, last=None)
        return web.json_response(found)

    async def complete(request):
        body = await request.json()
        seen["requests"] += 1
        seen["first"] = seen["first"] or time.time()
        if delay:
            await asyncio.sleep(delay)
        seen["last"] = time.time()
        text = f"answer to {body['messages'][-1]['content']}"
        return web.json_response(
            {
                "id": "c", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8},
            }
        )  # fmt: skip

    async def run():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", complete)
        app.router.add_get("/seen", counted)
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
    from infra.chat_endpoint import Endpoint
    from infra.endpoints import EndpointSubject

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


def whole(url: str, probes: int) -> dict[str, str]:
    """A whole audit, from the policy to the report's digest."""
    from datetime import UTC, datetime

    from governance.audit.judges import RefusalPatterns
    from governance.audit.plan import make_plan
    from governance.audit.probes import Expectation, Probe, ProbeSet, Turn
    from governance.audit.run import run_audit
    from governance.policy.compose import compose
    from infra.chat_endpoint import Endpoint
    from infra.endpoints import EndpointSubject
    from infra.policy_files import load_pack

    asked = [
        Probe(id=f"p{number}", family=f"f{number}", turns=(Turn(role="user", text=f"question {number}"),),
              expectation=Expectation.COMPLY, rules=frozenset({"T2.no-over-refusal"}))
        for number in range(probes)
    ]  # fmt: skip
    plan = make_plan(compose(load_pack("demo"), at=datetime.now(UTC)), ProbeSet.of("bench", asked))
    with tempfile.TemporaryDirectory() as folder:
        evidence = Path(folder) / "evidence.db"
        subject = EndpointSubject(Endpoint(url=url, model="m", in_flight=IN_FLIGHT), evidence=evidence)
        report = run_audit(subject, plan, {"*": RefusalPatterns()})
        assert report.digest
        (finding,) = (each for each in report.findings if each.families)
        assert (finding.families, finding.missing) == (probes, 0)
        import sqlite3

        with sqlite3.connect(evidence) as kept:
            texts = [text for (text,) in kept.execute("SELECT text FROM replies")]
    return {f"p{text.rpartition(' ')[2]}": text for text in texts}


def child(what: str, url: str, probes: int) -> None:
    answers = {"bare": bare, "engine": engine, "audit": whole}[what](url, probes)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "answers": hash(tuple(sorted(answers.items()))) if len(answers) == probes else None,
                "memory": usage.ru_maxrss / 1024,
            }
        )
    )


def measure(
    command: list[str], url: str, *, env: dict[str, str] | None = None, most: float = 600
) -> dict[str, float]:
    """Wall, CPU and peak memory of a whole process with its children, and what the stub saw of it.

    After ``most`` seconds it is stopped with its children.
    """
    get(f"{url.removesuffix('/v1')}/seen")
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, begin = time.time(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryDirectory() as folder:
        done = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": folder} | bytecode | (env or {}),
            cwd=folder,
            start_new_session=True,
        )
        peak = 0
        while done.poll() is None and time.perf_counter() - begin < most:
            peak = max(peak, memory_of(done.pid))
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):  # what is left of it, also where it came to an end
            os.killpg(done.pid, signal.SIGKILL)
        done.wait()
        wall = time.perf_counter() - begin
        out.seek(0)
        said = out.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen = get(f"{url.removesuffix('/v1')}/seen")
    return {
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory": peak / 2**20,
        "requests": seen["requests"],
        "first": (seen["first"] or began) - began,
        "span": (seen["last"] or began) - (seen["first"] or began),
        "end": began + wall - (seen["last"] or began),
        "code": done.returncode,
        "said": said,
    }


def get(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address) as reply:
        return json.load(reply)


def memory_of(pid: int) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    try:
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in Path(f"/proc/{pid}/task").iterdir():
            for one in (task / "children").read_text().split():
                total += memory_of(int(one))
    except OSError:
        pass
    return total


def ours(what: str, url: str, probes: int) -> dict[str, float]:
    env = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    found = measure([sys.executable, __file__, "--child", what, url, str(probes)], url, env=env)
    assert found["code"] == 0, found["said"]
    own = json.loads(found["said"].splitlines()[-1])
    return found | {"answers": own["answers"], "memory": own["memory"]}


def main() -> None:
    if "--child" in sys.argv:
        return child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    if "--serve" in sys.argv:
        return serve(float(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delays", type=float, nargs="+", default=[0.05, 0.0], help="seconds of the stub")
    parser.add_argument("--peers", type=Path, help="folder with the peers' environments")
    parser.add_argument("--only", nargs="*", help="only these peers")
    parser.add_argument("--most-seconds", type=float, default=600, help="after which a peer is stopped")
    options = parser.parse_args()
    print(
        f"{options.probes} probes, {IN_FLIGHT} in flight, whole processes; ours: median of {options.rounds} rounds in turns"
    )
    print(
        f"{'delay':>6} {'runner':>10} {'whole/s':>8} {'of bare':>8} {'asking/s':>9} {'of bare':>8} {'CPU ms':>7} "
        f"{'peak MB':>8} {'first s':>8} {'end s':>6}"
    )
    for delay in options.delays:
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(delay)], stdout=subprocess.PIPE, text=True
        )
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            compare(url, delay, options)
        finally:
            server.terminate()
            server.wait()
    return None


def compare(url: str, delay: float, options: argparse.Namespace) -> None:
    names = ("bare", "engine", "audit")
    for what in names:
        ours(what, url, 20)
    rounds = [{what: ours(what, url, options.probes) for what in names} for _ in range(options.rounds)]
    assert len({one[what]["answers"] for one in rounds for what in one}) == 1, (
        "the runners gave other answers"
    )
    middles = {what: middle_of([one[what] for one in rounds]) for what in names}
    bare = {name: options.probes / middles["bare"][name] for name in ("wall", "span")}
    for what in names:
        show(delay, what, middles[what], options.probes, bare)
    if options.peers:
        from audit_peers import PEERS

        for name, peer in PEERS.items():
            if options.only and name not in options.only:
                continue
            count = options.probes
            command = peer.command(options.peers, url, count)
            if command is None:
                print(f"{1000 * delay:4.0f}ms {name:>10}   not installed here")
                continue
            measure(peer.command(options.peers, url, 20), url, env=peer.env, most=options.most_seconds)
            found = measure(command, url, env=peer.env, most=options.most_seconds)
            if found["code"] or found["requests"] < count:
                print(
                    f"{1000 * delay:4.0f}ms {name:>10}   ended with {found['code']} after {found['requests']} requests "
                    f"and {found['wall']:.0f} s, the first after {found['first']:.1f} s; {found['memory']:.0f} MB"
                )
                print("        ", found["said"][-300:].replace("\n", " "))
                continue
            show(delay, name, found, count, bare)


def middle_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    names = ("wall", "span", "end", "cpu", "memory", "first")
    return {name: statistics.median(one[name] for one in rounds) for name in names}


def show(delay: float, what: str, found: dict[str, float], probes: int, bare: dict[str, float]) -> None:
    whole, asking = probes / found["wall"], probes / found["span"]
    note = "" if probes >= 2000 else f"  ({probes} probes)"
    print(
        f"{1000 * delay:4.0f}ms {what:>10} {whole:8.0f} {whole / bare['wall']:8.2f} {asking:9.0f} "
        f"{asking / bare['span']:8.2f} {1000 * found['cpu'] / probes:7.2f} {found['memory']:8.0f} {found['first']:8.2f} "
        f"{found['end']:6.2f}{note}",
        flush=True,
    )


if __name__ == "__main__":
    main()
