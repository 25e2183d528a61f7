"""Evaluation: per-item results, pairwise verdicts, and statistics over them. Records in, records out.

`results` is the only place that looks at text; `verdicts` and the statistics start from its rows.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.evaluate.items import METRICS, results
    from polylect.evaluate.judge import TIE_MARGIN, verdicts
    from polylect.evaluate.statistics import comparisons, differences, summaries
    from polylect.evaluate.suite import Evaluation, evaluate

__all__ = [
    "METRICS",
    "TIE_MARGIN",
    "Evaluation",
    "comparisons",
    "differences",
    "evaluate",
    "results",
    "summaries",
    "verdicts",
]

_HOME = {
    "METRICS": "items",
    "Evaluation": "suite",
    "TIE_MARGIN": "judge",
    "comparisons": "statistics",
    "differences": "statistics",
    "evaluate": "suite",
    "results": "items",
    "summaries": "statistics",
    "verdicts": "judge",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that numpy is not loaded for `--help`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
