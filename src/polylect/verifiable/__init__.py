"""Scoring without a judge: answers that a program can check.

Against accepted references: `exact` (match after `normalise`), `chrf` (similarity to the nearest reference) and
`in_right_language`, which serve as the arbiter's reward and as the evaluation's metrics; `score` puts them together.
Against other rules: `number_match` (native digits and separators), `format_match` (JSON, patterns, lines) and `follow`
(constraints of an instruction), counted by `segments` in the way of each script.
"""

from __future__ import annotations

from polylect.verifiable.constraints import Constraint, constraint, constraints, follow, known_constraints
from polylect.verifiable.formats import Format, format_match
from polylect.verifiable.metrics import chrf, exact, in_right_language, is_reference, score
from polylect.verifiable.normalisation import first_line, normalise
from polylect.verifiable.numbers import number_match, numbers

__all__ = [
    "Constraint",
    "Format",
    "chrf",
    "constraint",
    "constraints",
    "exact",
    "first_line",
    "follow",
    "format_match",
    "in_right_language",
    "is_reference",
    "known_constraints",
    "normalise",
    "number_match",
    "numbers",
    "score",
]
