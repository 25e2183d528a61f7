"""What the runner itself costs: seconds per step that does nothing, and as a share of a given run.

    python benchmarks/runner_overhead.py [--steps 30] [--preload torch,transformers] [--run runs/quickstart]

Prints the time until the libraries are loaded, the wall time per empty step after that (fork, log, fsync, manifest, rename),
the time of a second run that has nothing to do, and, with --run, what share of that finished run such a cost is.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path


def empty(context: object) -> None:
    """Do nothing: the stage function whose whole cost is the runner's."""


def measure(count: int, preload: list[str]) -> tuple[float, float, float, float]:
    """Return seconds (to the end of the first step, per further step, of a rerun) and sampled peak memory in 10^6 bytes."""
    from rich.console import Console

    from polylect.run import Step, execute

    steps = [Step(name="step0", function="runner_overhead:empty")]
    for number in range(1, count):
        steps.append(Step(name=f"step{number}", function="runner_overhead:empty", inputs={"before": f"step{number - 1}"}))
    quiet = Console(file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        execute(steps[:1], Path(folder), preload=preload, console=quiet)
        first = time.monotonic() - began
    with tempfile.TemporaryDirectory() as folder:
        outcome = execute(steps, Path(folder), preload=preload, console=quiet)
        began = time.monotonic()
        execute(steps, Path(folder), preload=preload, console=quiet)
        rerun = time.monotonic() - began
    return first, (outcome.seconds - first) / (count - 1), rerun, outcome.peak_memory_mb


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30, help="length of the chain of empty steps (at least 2)")
    parser.add_argument("--preload", default="", help="modules to preload, separated by commas")
    parser.add_argument("--run", type=Path, help="folder of a finished run to compare with")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    preload = [name for name in options.preload.split(",") if name]
    first, each, rerun, memory = measure(max(2, options.steps), preload)
    print(f"first step, with start of the server and preload: {first:.2f} s")
    print(f"each further empty step:                          {each * 1000:.0f} ms")
    print(f"run with nothing to do ({options.steps} steps):               {rerun * 1000:.0f} ms")
    print(f"peak memory, all processes together:              {memory:.0f} MB")
    if options.run is not None:
        seconds = [json.loads(path.read_text())["seconds"] for path in (options.run / "steps").rglob("manifest.json")]
        cost = first + each * (len(seconds) - 1)
        print(f"share of {options.run} ({len(seconds)} steps, {sum(seconds):.0f} s): {100 * cost / (cost + sum(seconds)):.2f} %")


if __name__ == "__main__":
    main()
