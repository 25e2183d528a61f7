"""The benchmarks, one file each; every file registers its sets (`polylect.evaluate.benchmarks.benchmark`)."""

from __future__ import annotations

__all__: list[str] = []
