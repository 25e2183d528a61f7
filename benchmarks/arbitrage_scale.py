"""Measure `polylect arbitrage` as the number of prompts grows: time per prompt, peak memory, disk, and a kill -9 in the middle.

`python benchmarks/arbitrage_scale.py --prompts 10000 --prompts 100000 --prompts 1000000` lets three fake teachers answer made-up
sums in two languages, scores them with the verifiable arbiter and writes everything. Each size runs in a process of its own, so
that its peak memory is its own. `--kill SECONDS` kills each run that often into its work, once, and gives the command again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LANGUAGES = {"en": "How much is {0} plus {1}?", "tr": "{0} artı {1} kaç eder?"}


def known(text: str) -> tuple[str, str]:
    """Return language and right answer of a prompt: what the fakes know."""
    a, b = re.findall(r"\d+", text)[:2]
    return "en" if text.startswith("How") else "tr", str(int(a) + int(b))


def write_prompts(path: Path, count: int) -> None:
    """Write `count` prompts, each item in every language."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            item, language = number // len(LANGUAGES), list(LANGUAGES)[number % len(LANGUAGES)]
            text = LANGUAGES[language].format(item, item * 7 % 1000)
            row = {"item": f"sum:{item}", "language": language, "text": text, "reference": known(text)[1]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def run(prompts: Path, out: Path, router: str, repeats: str) -> None:
    """Run one arbitrage and print its numbers as JSON."""
    from polylect import arbitrage
    from polylect.models.fakes import FakeModel

    pool = [
        FakeModel("a", quality={"en": 0.9, "tr": 0.2}, known=known),
        FakeModel("b", quality={"en": 0.3, "tr": 0.8}, known=known),
        FakeModel("c", quality=0.5, faults={"empty": 0.1, "400": 0.01}, known=known),
    ]
    began, cpu = time.perf_counter(), time.process_time()
    summary = arbitrage(prompts, pool, {"kind": "verifiable"}, router, out=out, repeats=repeats)
    print(
        json.dumps(
            {
                "found": summary.found,
                "seconds": time.perf_counter() - began,
                "cpu": time.process_time() - cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "stages": summary.manifest["seconds"],
                "rows": summary.manifest["rows"],
                "requests": {stage: notes.get("asked") for stage, notes in summary.manifest["requests"].items()},
            }
        )
    )


def start(prompts: Path, out: Path, router: str, repeats: str) -> subprocess.Popen[str]:
    """Start `run` in a process of its own."""
    command = [sys.executable, __file__, "--run", str(prompts), "--out", str(out), "--router", router, "--repeats", repeats]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def measure(count: int, folder: Path, options: argparse.Namespace) -> None:
    """Measure one size, and print a line."""
    prompts, out = folder / f"prompts-{count}.jsonl", folder / f"out-{count}"
    write_prompts(prompts, count)
    if options.kill:
        killed = start(prompts, out, options.router, options.repeats)
        time.sleep(options.kill)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    process = start(prompts, out, options.router, options.repeats)
    text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run of {count} prompts failed with exit code {process.returncode}")
    found = json.loads(text)
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    each, stages = 1e3 * found["seconds"] / count, found["stages"]
    print(f"{count:>9,} prompts: {found['seconds']:.1f} s ({each:.3f} ms per prompt), CPU {found['cpu']:.1f} s")
    print(f"    peak memory {found['peak_mb']:.0f} MB, disk {disk / 1e6:.0f} MB")
    print(f"    stages (s): {', '.join(f'{name} {seconds:.1f}' for name, seconds in stages.items() if name != 'all')}")
    print(f"    rows: {found['rows']}")
    if options.kill:
        print(f"    killed after {options.kill:.0f} s, then: {found['found']}, asked {found['requests']}")
    shutil.rmtree(out)
    prompts.unlink()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, action="append", help="a number of prompts (repeatable)")
    parser.add_argument("--router", default="reward")
    parser.add_argument("--repeats", default="off", choices=["off", "sft"], help="look for repeated prompts")
    parser.add_argument("--kill", type=float, default=0.0, help="seconds until kill -9")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run is not None:
        run(options.run, options.out, options.router, options.repeats)
        return
    with tempfile.TemporaryDirectory() as folder:
        for count in options.prompts or [10_000, 100_000]:
            measure(count, Path(folder), options)


if __name__ == "__main__":
    main()
