"""`polylect gap tokenizer` on the whole declaration: time and memory of the process, for one tokenizer and for several.

Each round is a process of its own (`python -m polylect gap tokenizer ... --json FILE`), so that start-up, reading the tokenizers
and writing count. Seconds are given by the clock and by the processors' time of the process, which other programs disturb less;
memory is the largest resident size.

Run: python benchmarks/gap.py [TOKENIZER ...] [--rounds 3] [--processors 2]
TOKENIZER as for the command; by default the two bundled ones. The first alone is measured, then all together. To have five, name
files of published packages, for example o200k and Llama's from the wheels of litellm and llama-models.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path


def measure(tokenizers: list[str], out: Path) -> tuple[float, float, float]:
    """Return seconds by the clock, seconds of the processors and MB of memory of one run."""
    command = [
        sys.executable,
        "-m",
        "polylect",
        "gap",
        "tokenizer",
        *tokenizers,
        "--price",
        "2.5",
        "--top",
        "1",
        "--json",
        str(out),
    ]
    began = time.perf_counter()
    child = os.posix_spawn(
        sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    # ru_maxrss is in KiB on Linux.
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print one line per set of tokenizers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", nargs="*", default=["gemma-3-270m", "smollm2-135m-instruct"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processors", type=int, default=2)
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.processors])
    sets = [given.tokenizers[:1]] + ([given.tokenizers] if len(given.tokenizers) > 1 else [])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "gap.json"
        for chosen in sets:
            rounds = [measure(chosen, out) for _ in range(given.rounds)]
            languages = json.loads(out.read_text(encoding="utf-8"))["summary"]["corpus"]["languages"]
            clock, processor, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(
                f"{languages} languages x {len(chosen)} tokenizers ({', '.join(chosen)}): {clock:.1f} s by the clock "
                f"(best {min(row[0] for row in rounds):.1f}), {processor:.1f} s of processors, {memory:.0f} MB"
            )


if __name__ == "__main__":
    main()
