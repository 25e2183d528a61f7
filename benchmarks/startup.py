"""How long `polylect --help` takes, as a ratio to starting Python and doing nothing. Run: python benchmarks/startup.py."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(command: list[str], runs: int = 15) -> float:
    """Return the median wall time of a command over `runs` runs, after one to warm the file cache."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    nothing = seconds([sys.executable, "-c", "pass"])
    helped = seconds([sys.executable, "-m", "polylect", "--help"])
    print(f"polylect --help {1000 * helped:.0f} ms, python -c pass {1000 * nothing:.0f} ms, ratio {helped / nothing:.1f}")
