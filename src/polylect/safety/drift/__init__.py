"""Drift: how toxic continuations get over many samples, with dated prompts and lexicons whose age is shown."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.safety.drift.comparing import compare_drift
    from polylect.safety.drift.dated import DatedSet
    from polylect.safety.drift.drifting import DriftRun, drift
    from polylect.safety.drift.estimates import PromptScores, differences, drift_rows
    from polylect.safety.drift.estimators import expected_maximum, probability
    from polylect.safety.drift.lexicons import read_lexicon
    from polylect.safety.drift.results import DriftResult, SampleScore
    from polylect.safety.drift.samples import Sample
    from polylect.safety.drift.scorers import Scored, Scorer, open_scorer

__all__ = [
    "DatedSet",
    "DriftResult",
    "DriftRun",
    "PromptScores",
    "Sample",
    "SampleScore",
    "Scored",
    "Scorer",
    "compare_drift",
    "differences",
    "drift",
    "drift_rows",
    "expected_maximum",
    "open_scorer",
    "probability",
    "read_lexicon",
]

_HOME = {
    "DatedSet": "dated",
    "DriftResult": "results",
    "DriftRun": "drifting",
    "PromptScores": "estimates",
    "Sample": "samples",
    "SampleScore": "results",
    "Scored": "scorers",
    "Scorer": "scorers",
    "compare_drift": "comparing",
    "differences": "estimates",
    "drift": "drifting",
    "drift_rows": "estimates",
    "expected_maximum": "estimators",
    "open_scorer": "scorers",
    "probability": "estimators",
    "read_lexicon": "lexicons",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `--help` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
