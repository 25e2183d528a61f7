"""The request engine and the plain `openai` client against a stub endpoint: requests per second, CPU and memory.

The stub (tests/models/stub_endpoint.py) runs in a process of its own on this machine and answers after 50 ms; 64 requests are in
flight. Every measurement is a new process; ours includes keys and store. Both sides alternate, and medians are compared.

Run: python benchmarks/requests.py [--counts 2000 20000] [--memory 200000] [--rounds 3] [--openai-python PYTHON] [--refused]

With --refused only this: our rate against an endpoint that turns down 5 % of the calls at random, or all above 100 a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A library that imports `requests` shall not find this file.
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]

STUB = Path(__file__).parents[1] / "tests" / "models" / "stub_endpoint.py"
LATENCY, IN_FLIGHT, MAX_TOKENS = 0.05, 64, 64


def texts(count: int) -> Iterator[str]:
    """Yield different prompts of some 100 characters."""
    for number in range(count):
        yield f"{number}: In which country is the city of Ankara, and which currency is used there since the year {number}?"


def ours(url: str, count: int) -> None:
    """Ask through the engine, with a store on disk."""
    from polylect.models import Request, Sampling
    from polylect.models.engine import Job, Limits, run
    from polylect.models.served import ServedModel
    from polylect.models.store import Store

    requests = (Request(f"{number:024x}", text) for number, text in enumerate(texts(count)))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "answers.sqlite") as store:
        job = Job(ServedModel(url, "stub", key_env=None), requests, Sampling(max_tokens=MAX_TOKENS))
        counts = run([job], store, limits=Limits(in_flight=IN_FLIGHT))
        assert counts.stored == len(store) == count, counts


def theirs(url: str, count: int) -> None:
    """Ask through the openai client, 64 at a time, without a store."""
    import openai

    async def work() -> None:
        source = texts(count)
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

            async def worker() -> None:
                for text in source:
                    reply = await client.chat.completions.create(
                        model="stub", messages=[{"role": "user", "content": text}], max_tokens=MAX_TOKENS
                    )
                    assert reply.choices[0].message.content

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    asyncio.run(work())


def client(kind: str, url: str, count: int) -> None:
    """Measure one client in this process; print seconds, CPU seconds and MB of memory."""
    run = {"ours": ours, "openai": theirs}[kind]
    run(url, IN_FLIGHT)  # imports and the first connections are not what is measured
    began, cpu, before = time.perf_counter(), time.process_time(), peak()
    run(url, count)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": used, "before": before, "peak": peak()}))


def peak() -> float:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(python: str, kind: str, count: int, *options: str) -> dict[str, float]:
    """Run a client in a process of its own against a stub of its own."""
    stub = subprocess.Popen(
        [sys.executable, str(STUB), "--latency", str(LATENCY), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert stub.stdin
    assert stub.stdout
    try:
        url = f"http://127.0.0.1:{stub.stdout.readline().strip()}/v1"
        line = [python, __file__, "--client", kind, "--url", url, "--counts", str(count)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, float] = json.loads(done.stdout)
        return found
    finally:
        stub.stdin.close()
        stub.wait()


def show(kind: str, count: int, runs: list[dict[str, float]]) -> float:
    """Print the medians of some runs; return requests per second."""
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    rate, ideal = count / middle["seconds"], IN_FLIGHT / LATENCY
    each = ", ".join(f"{count / run['seconds']:.0f}" for run in runs)
    print(
        f"{kind:8}{count:>9,} requests: {rate:6.0f}/s ({rate / ideal:4.0%} of the ideal {ideal:,.0f}/s), "
        f"{1000 * middle['cpu'] / count:.3f} ms CPU each, {middle['peak']:.0f} MB (runs: {each})"
    )
    return rate


def refused(rounds: int) -> None:
    """Print the rate where calls are refused at random, as a ratio to that without, and where there is a limit."""
    ways = {"none refused": "{}", "5 % at random": '{"429": 0.05}', "20 % at random": '{"429": 0.2}'}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, faults in ways.items():
            rates[name].append(4000 / measure(sys.executable, "ours", 4000, "--faults", faults)["seconds"])
    clean = statistics.median(rates["none refused"])
    for name, found in rates.items():
        print(f"{name:16}{statistics.median(found):6.0f}/s, ratio {statistics.median(found) / clean:.2f}")
    found = measure(sys.executable, "ours", 1000, "--faults", "{}", "--rate", "100")
    print(f"above 100/s     {1000 / found['seconds']:6.0f}/s")


def main(given: Any) -> None:
    """Alternate the clients, then look at the memory of a long run."""
    if given.refused:
        refused(given.rounds)
        return
    python = given.openai_python or sys.executable
    theirs_there = subprocess.run([python, "-c", "import openai"], capture_output=True, check=False).returncode == 0
    sides = {"ours": sys.executable, **({"openai": python} if theirs_there else {})}
    for count in given.counts:
        runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in sides}
        for _ in range(given.rounds):
            for kind, with_python in sides.items():
                runs[kind].append(measure(with_python, kind, count))
        rates = {kind: show(kind, count, measured) for kind, measured in runs.items()}
        if "openai" in rates:
            print(f"ratio   {rates['ours'] / rates['openai']:.2f}")
    if given.memory:
        small, large = measure(sys.executable, "ours", 2000), measure(sys.executable, "ours", given.memory)
        print(f"memory  2,000 requests: {small['peak']:.1f} MB; {given.memory:,} requests: {large['peak']:.1f} MB")
        show("ours", given.memory, [large])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--memory", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--openai-python")
    parser.add_argument("--refused", action="store_true")
    parser.add_argument("--client", choices=["ours", "openai"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(given.client, given.url, given.counts[0])
    else:
        main(given)
