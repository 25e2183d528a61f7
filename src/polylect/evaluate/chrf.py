"""chrF++ of corpora with intervals clustered by item: statistics per segment are counted once, then resampling is a product.

chrF++ (Popović 2017, "chrF++: words helping character n-grams", WMT) as sacrebleu computes it: character n-grams up to 6
without spaces, word n-grams up to 2 with punctuation split off, beta 2, precision and recall averaged over the orders that
both sides have. A corpus score is a function of 24 sums (3 counts for each of 8 orders), so that a bootstrap needs the sums
of the drawn segments only. The corpus score is not the mean of segment scores: `summarise` gives that one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from polylect.errors import EvaluationError
from polylect.evaluate.cells import Group, groups, languages_of
from polylect.evaluate.estimates import Estimates
from polylect.evaluate.summary_rows import SummaryRow, rows_of
from polylect.records import Measurement
from polylect.resampling import RESAMPLES, Floats, totals

__all__ = ["CORPUS_CHRF", "SegmentTable", "corpus_chrf", "corpus_score", "rescored", "segment_statistics"]

CORPUS_CHRF = "corpus_chrf++"
"""Name of the metric in the summary rows."""

_CHARACTERS, _WORDS, _BETA = 6, 2, 2
_ORDERS = _CHARACTERS + _WORDS
_COLUMNS = 3 * _ORDERS
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def segment_statistics(hypotheses: Sequence[str], references: Sequence[str | Sequence[str]]) -> Floats:
    """Return the counts of each segment, shape (n, 24): n-grams of hypothesis, of reference and common ones, for each order.

    Orders are characters 1 to 6, then words 1 to 2. Of several references the one with the highest segment score counts.

    Raises:
        EvaluationError: not as many references as hypotheses, or a segment without one.
    """
    if len(hypotheses) != len(references):
        raise EvaluationError(
            f"{len(hypotheses)} hypotheses and {len(references)} references: one of each per segment is needed."
        )
    counts = np.zeros((len(hypotheses), _COLUMNS))
    for i, (hypothesis, given) in enumerate(zip(hypotheses, references, strict=True)):
        choices = [given] if isinstance(given, str) else list(given)
        if not choices:
            raise EvaluationError(f"segment {i + 1} has no reference; leave it out or give one.")
        own = _ngrams(hypothesis)
        found = np.array([_matches(own, _ngrams(reference)) for reference in choices], dtype=np.float64)
        counts[i] = found[int(np.argmax(corpus_score(found)))] if len(found) > 1 else found[0]
    return counts


def corpus_score(sums: Floats) -> Floats:
    """Return chrF++ in [0, 100] of summed statistics, shape (..., 24) -> (...); 0 where nothing can match."""
    ours, theirs, common = (sums[..., i::3] for i in range(3))
    effective = (ours > 0) & (theirs > 0)
    number = np.maximum(effective.sum(axis=-1), 1)
    precision = np.divide(common, ours, out=np.zeros(common.shape), where=effective).sum(axis=-1) / number
    recall = np.divide(common, theirs, out=np.zeros(common.shape), where=effective).sum(axis=-1) / number
    weighted = _BETA**2 * precision + recall
    score = np.divide((1 + _BETA**2) * precision * recall, weighted, out=np.zeros(weighted.shape), where=weighted > 0)
    return np.asarray(100 * score)


@dataclass(frozen=True)
class SegmentTable:
    """Statistics by item and language, shape (items, L, 24), and how many segments are in each cell, shape (items, L)."""

    languages: tuple[str, ...]
    statistics: Floats
    counts: Floats

    @staticmethod
    def of(items: Sequence[str], tags: Sequence[str], statistics: Floats, languages: Sequence[str]) -> SegmentTable:
        """Arrange segments by item and language; several of one cell are summed. The order of the segments does not matter."""
        rows = {item: i for i, item in enumerate(sorted(set(items)))}
        columns = {language: j for j, language in enumerate(languages)}
        size = len(rows) * len(columns)
        cell = np.array([rows[item] * len(columns) + columns[tag] for item, tag in zip(items, tags, strict=True)], dtype=np.int64)
        shape = (len(rows), len(columns))
        sums: Floats = np.stack([np.bincount(cell, weights=column, minlength=size) for column in statistics.T], axis=-1).astype(
            float
        )
        counts = np.bincount(cell, minlength=size).astype(np.float64)
        return SegmentTable(tuple(languages), sums.reshape(*shape, _COLUMNS), counts.reshape(shape))

    def scores(self) -> Floats:
        """Return the corpus score of each language, shape (L,); NaN without segments."""
        return np.where(self.counts.sum(axis=0) > 0, corpus_score(self.statistics.sum(axis=0)), np.nan)

    def replicates(self, seed: int, resamples: int = RESAMPLES) -> Floats:
        """Return bootstrap corpus scores, shape (resamples, L): items drawn with replacement, jointly for all languages."""
        items, languages = self.counts.shape
        cells = np.concatenate([self.statistics.reshape(items, -1), self.counts], axis=1)
        drawn = totals(cells, seed, resamples)
        sums = drawn[:, : languages * _COLUMNS].reshape(len(drawn), languages, _COLUMNS)
        return np.where(drawn[:, languages * _COLUMNS :] > 0, corpus_score(sums), np.nan)


def corpus_chrf(
    rows: Iterable[Measurement], *, languages: Sequence[str] | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> list[SummaryRow]:
    """Summarise the corpus chrF++ of `output` against `reference`, as `summarise` does with means.

    Rows of one metric are enough (give those named "chrf++", say). A row with status "failed" or "skipped", or without a
    reference, is unscored; an empty output with status "ok" is scored and matches nothing.

    Raises:
        EvaluationError: as `summarise`.
    """
    found = []
    for group in groups(rescored(row) for row in rows):
        present = languages_of(group, languages)
        found += rows_of(group, _estimates(group, present, seed, resamples))
    return found


def rescored(row: Measurement) -> Measurement:
    """Return a row as one segment of a corpus: of the metric `CORPUS_CHRF`, without a score where there is nothing to compare."""
    lost = row.status in ("failed", "skipped") or not row.reference
    return Measurement(
        model=row.model,
        benchmark=row.benchmark,
        language=row.language,
        item=row.item,
        subset=row.subset,
        metric=CORPUS_CHRF,
        score=None if lost else 0.0,
        status=row.status,
        output=row.output,
        reference=row.reference,
    )


def _estimates(group: Group, languages: Sequence[str], seed: int, resamples: int) -> Estimates:
    rows = group.rows
    statistics = segment_statistics([row.output for row in rows], [row.reference for row in rows])
    table = SegmentTable.of([row.item for row in rows], [row.language for row in rows], statistics, languages)
    return Estimates(
        languages=tuple(languages),
        values=table.scores(),
        drawn=table.replicates(seed, resamples),
        rows=tuple(int(number) for number in table.counts.sum(axis=0)),
        items=tuple(int(number) for number in (table.counts > 0).sum(axis=0)),
        all_items=len(table.counts),
        bounds=(0.0, 100.0),
        trials=(None,) * len(languages),
    )


def _ngrams(text: str) -> list[Counter[str]]:
    """Return the n-grams of each order with their counts: characters 1 to 6 without spaces, words 1 to 2."""
    letters = "".join(text.split())
    words = _words(text)
    grams = [Counter([letters[i : i + n] for i in range(len(letters) - n + 1)]) for n in range(1, _CHARACTERS + 1)]
    return grams + [Counter([" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]) for n in range(1, _WORDS + 1)]


def _words(text: str) -> list[str]:
    """Split at spaces and take one mark of ASCII punctuation off the end of a word, or else off its start."""
    words: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            words += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return words


def _matches(ours: Sequence[Counter[str]], theirs: Sequence[Counter[str]]) -> list[int]:
    """Return (ours, theirs, common) for each order; an order that the reference lacks does not count against us."""
    counts = []
    for own, other in zip(ours, theirs, strict=True):
        common = sum(min(number, other[gram]) for gram, number in own.items() if gram in other)
        counts += [own.total() if other else 0, other.total(), common]
    return counts
