"""How much memory the processes of a run take together."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["MemoryGauge"]

_INTERVAL = 2.0
"""Seconds between two samples: one costs the kernel a walk over all page tables."""


class MemoryGauge:
    """Keeps the highest sum of the proportional set sizes seen so far, in 10^6 bytes.

    The proportional set size counts a page that n processes share as 1/n in each (Linux, /proc/PID/smaps_rollup), so the
    libraries that all workers share with their server count once. Elsewhere `peak` stays 0.0. Samples can miss short peaks.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._sampled = 0.0

    def sample(self, pids: Iterable[int]) -> None:
        """Measure `pids` (processes that are gone count nothing), unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._sampled >= _INTERVAL:
            self._sampled = now
            self.peak = max(self.peak, sum(_proportional(pid) for pid in pids) / 1e6)


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (OSError, ValueError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
