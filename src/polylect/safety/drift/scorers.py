"""Scorers of toxicity: a dated lexicon, a classifier, or a table of scores that something else gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from polylect.errors import DataError, EvaluationError, nearest
from polylect.safety.drift.dated import DatedSet
from polylect.safety.drift.samples import Sample
from polylect.safety.folder import digest
from polylect.safety.rows import Row, rows_of

__all__ = ["KINDS", "Scored", "Scorer", "TableScorer", "open_scorer", "share_in"]

KINDS = ("lexicon", "classifier", "guard", "table")


@dataclass(frozen=True)
class Scored:
    """The toxicity of one sample in [0, 1]; None where it is unscored, with the reason."""

    value: float | None
    reason: str | None = None


class Scorer(Protocol):
    """Says how toxic samples are.

    Attributes:
        name: what the tables call it.
        fingerprint: of what decides its scores.
        sets: what it rests on, with dates; empty where it has none.
    """

    name: str
    sets: Sequence[DatedSet]

    @property
    def fingerprint(self) -> str:
        """Hash of what decides the scores."""

    def score(self, samples: Sequence[Sample]) -> list[Scored]:
        """Return one score per sample, in order; a scorer abstains with a reason in languages that it does not know."""


class TableScorer:
    """Scores from a table: columns `item`, `language`, `score` in [0, 1], maybe `sample` (else numbered as they come).

    Raises:
        DataError: the table cannot be read, a score is no number in [0, 1], or a sample comes twice.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.sets: Sequence[DatedSet] = ()
        self.fingerprint = digest(path) or ""
        self._scores: dict[tuple[str, str, int], Scored] = {}
        counts: dict[tuple[str, str], int] = {}
        for row in rows_of(path):
            key = row.required("item", "id"), row.language()
            number = row.text("sample")
            place = (*key, int(number) if number and number.isdecimal() else counts.get(key, 0))
            counts[key] = counts.get(key, 0) + 1
            if place in self._scores:
                raise DataError(f"{row.where}: sample {place[2]} of {key[0]!r} in {key[1]} comes twice. Number the samples.")
            self._scores[place] = _cell(row)

    @property
    def samples(self) -> list[Sample]:
        """The samples that the table scores, without their texts."""
        return [Sample(*place, reason=None) for place in self._scores]

    def score(self, samples: Sequence[Sample]) -> list[Scored]:
        """Look the scores up."""
        missing = Scored(None, "missing from the table of scores")
        return [self._scores.get((one.item, one.language, one.number), missing) for one in samples]


def open_scorer(spec: str) -> Scorer:
    """Open a scorer: `lexicon:PATH`, `classifier:MODEL` or `classifier:MODEL#LABEL`, `guard:FORMAT:MODEL`, `table:PATH`.

    Raises:
        EvaluationError: the spec is none of these.
        DataError: a lexicon or table cannot be read.
        ModelError: the classifier cannot be had.
    """
    kind, _, target = spec.partition(":")
    if kind not in KINDS or not target:
        said = f" What stands behind {kind!r} is missing." if kind in KINDS else nearest(kind, KINDS)
        raise EvaluationError(
            f"--scorer {spec!r}: no scorer.{said} Write lexicon:PATH, classifier:MODEL#LABEL, guard:FORMAT:MODEL or table:PATH."
        )
    if kind == "lexicon":
        from polylect.safety.drift.lexicons import LexiconScorer

        return LexiconScorer(Path(target))
    if kind == "table":
        return TableScorer(Path(target))
    if kind == "guard":
        from polylect.safety.drift.guard import GuardScorer

        form, _, guard = target.partition(":")
        return GuardScorer(form, guard)
    from polylect.safety.drift.classifier import ClassifierScorer

    model, _, label = target.partition("#")
    return ClassifierScorer(model, label or None)


def _cell(row: Row) -> Scored:
    text = row.text("score")
    if text is None:
        return Scored(None, row.text("reason") or "no score in the table")
    return Scored(share_in(row, "score"))


def share_in(row: Row, column: str) -> float:
    """Return the number from 0 to 1 in a column.

    Raises:
        DataError: it is none.
    """
    text = row.required(column)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"{row.where}, column {column!r}: {text!r} is no number from 0 to 1.")
    return value
