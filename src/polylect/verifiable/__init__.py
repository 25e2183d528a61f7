"""Scoring without a judge: answers that can be checked against accepted references.

The same three functions serve as the arbiter's reward and as the evaluation's metrics:
`exact` (match after `normalise`), `chrf` (similarity to the nearest reference) and `in_right_language`.
`score` puts them together.
"""

from __future__ import annotations

from polylect.verifiable.metrics import chrf, exact, in_right_language, is_reference, score
from polylect.verifiable.normalisation import first_line, normalise

__all__ = ["chrf", "exact", "first_line", "in_right_language", "is_reference", "normalise", "score"]
