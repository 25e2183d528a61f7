"""Every error that Polylect raises on purpose, in one tree.

PolylectError                exit code 2: the user's mistake, printed without a traceback
 ├─ RecipeError              a recipe: unknown key, wrong value, impossible plan
 ├─ LanguageError            a tag that names no known language
 ├─ DataError                a table: missing column, wrong type, duplicate id, no rows
 ├─ ModelError               a model: not found, corrupt, refused (pickle, remote code), not fit for the job
 │   └─ ChecksumError        bytes that are not the bytes that were promised
 ├─ TrainError               training: nothing to learn from, loss not finite
 ├─ MergeError               merging: tensors, shapes or vocabularies that do not match
 ├─ EvaluationError          evaluation: nothing to compare, unknown metric
 ├─ RunError                 the runner: folder in use, unknown step, disk full
 │   └─ StepError            one step failed; names the step and its log
 └─ EndpointError            exit code 3: a service that failed after its retries

A message names the file, key or row, the value, the rule it broke and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ChecksumError",
    "DataError",
    "EndpointError",
    "EvaluationError",
    "LanguageError",
    "MergeError",
    "ModelError",
    "PolylectError",
    "RecipeError",
    "RunError",
    "StepError",
    "TrainError",
    "nearest",
]


class PolylectError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line returns."""

    exit_code = 2


class RecipeError(PolylectError):
    """A recipe that cannot be carried out as written."""


class LanguageError(PolylectError):
    """A language tag that names no language of the table."""


class DataError(PolylectError):
    """A table that breaks its declared schema."""


class ModelError(PolylectError):
    """A model that is missing, corrupt, refused or unfit for the job."""


class ChecksumError(ModelError):
    """Bytes that differ from the bytes that were promised."""


class TrainError(PolylectError):
    """Training that cannot start or went astray."""


class MergeError(PolylectError):
    """Checkpoints that cannot be merged."""


class EvaluationError(PolylectError):
    """An evaluation that has nothing to compare or an unknown metric."""


class RunError(PolylectError):
    """The runner cannot go on: folder in use, unknown step, disk full."""


class StepError(RunError):
    """One step of a run failed; the message names the step and its log file."""


class EndpointError(PolylectError):
    """A service that failed after its retries; what is done is kept."""

    exit_code = 3


def nearest(value: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name closest to `value`, or "" when none is close."""
    close = difflib.get_close_matches(value, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
