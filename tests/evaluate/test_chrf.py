"""Corpus chrF++ against sacrebleu, and its clustered intervals."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from polylect.errors import EvaluationError
from polylect.evaluate.chrf import CORPUS_CHRF, SegmentTable, corpus_chrf, corpus_score, segment_statistics
from polylect.records import Measurement

WORDS = [
    *("der", "Hund", "läuft,", "schnell.", "(und", "das", "Haus)", "größer!", "東京", "は", "a", "b?", "नमस्ते", "-", "…", ",x"),
    *("x,", "...", "“ja”", "مرحبا", "\u00a0", "\u3000", "don't", "(a)", "ค่ะ"),
]


def corpus(segments: int, seed: int) -> list[str]:
    """Return segments of words of several scripts, some empty."""
    draw = random.Random(seed)  # noqa: S311
    return [" ".join(draw.choices(WORDS, k=draw.randint(0, 12))) for _ in range(segments)]


def similar(segments: list[str]) -> list[str]:
    """Return the segments with words dropped."""
    draw = random.Random(9)  # noqa: S311
    return [" ".join(word for word in segment.split(" ") if draw.random() < 0.7) for segment in segments]


@pytest.mark.parametrize("seed", range(5))
def test_corpora_equal_sacrebleu(seed: int) -> None:
    """The corpus score is sacrebleu's to 1e-9, for similar and for unrelated texts."""
    theirs = corpus(200, seed)
    for ours in (similar(theirs), corpus(200, seed + 100), [""] * 200):
        expected = CHRF(word_order=2).corpus_score(ours, [theirs]).score
        found = float(corpus_score(segment_statistics(ours, theirs).sum(axis=0)))
        assert found == pytest.approx(expected, abs=1e-9)


def test_single_segments_and_several_references_equal_sacrebleu() -> None:
    """Segment by segment too, and of several references the nearest counts."""
    theirs = corpus(60, 1)
    ours, others = similar(theirs), corpus(60, 2)
    both = segment_statistics(ours, list(zip(others, theirs, strict=True)))
    metric = CHRF(word_order=2)
    for i, score in enumerate(corpus_score(both)):
        assert score == pytest.approx(metric.sentence_score(ours[i], [others[i], theirs[i]]).score, abs=1e-9)
    expected = metric.corpus_score(ours, [others, theirs]).score
    assert float(corpus_score(both.sum(axis=0))) == pytest.approx(expected, abs=1e-9)


def test_replicates_are_scores_of_drawn_corpora() -> None:
    """A replicate is the corpus score of the drawn items, in all languages at once: its spread is that of plain resampling."""
    theirs = corpus(80, 4)
    ours = similar(theirs)
    counts = segment_statistics(ours, theirs)
    table = SegmentTable.of([f"{i // 2:02}" for i in range(80)], ["de", "tr"] * 40, counts, ("de", "tr"))
    drawn = table.replicates(1, 2000)
    assert drawn.shape == (2000, 2)
    picks = np.random.default_rng(5).integers(40, size=(2000, 40))
    plain = np.stack([corpus_score(counts[j::2][picks].sum(axis=1)) for j in (0, 1)], axis=1)
    assert drawn.std(axis=0) == pytest.approx(plain.std(axis=0), rel=0.08)
    assert drawn.mean(axis=0) == pytest.approx(plain.mean(axis=0), abs=0.3)


def test_measurements_are_summarised_as_corpora() -> None:
    """Outputs and references of rows give one corpus score per language; failed rows are unscored, empty outputs are scored."""
    theirs = corpus(60, 6)
    ours = similar(theirs)
    rows = [
        Measurement(
            model="m",
            benchmark="flores",
            language=("de", "tr")[i % 2],
            item=f"{i // 2}",
            metric="chrf++",
            score=0.0,
            output=ours[i],
            reference=theirs[i] or "x",
            status="failed" if i == 7 else "ok",
        )
        for i in range(60)
    ]
    found = corpus_chrf(rows[::-1])
    assert found == corpus_chrf(rows)
    german, turkish, macro = found[:3]
    expected = CHRF(word_order=2).corpus_score(ours[::2], [[one or "x" for one in theirs[::2]]]).score
    assert (german.metric, german.n, german.value) == (CORPUS_CHRF, 30, pytest.approx(expected, abs=1e-9))
    assert (turkish.n, turkish.unscored, turkish.statuses["failed"]) == (29, 1, 1)
    assert macro.value == pytest.approx(((german.value or 0.0) + (turkish.value or 0.0)) / 2)
    assert german.low is not None
    assert german.high is not None
    assert german.low < german.value < german.high


def test_unequal_lengths_are_errors() -> None:
    """A missing reference is named."""
    with pytest.raises(EvaluationError, match="2 hypotheses and 1 references"):
        segment_statistics(["a", "b"], ["a"])
    with pytest.raises(EvaluationError, match="segment 2 has no reference"):
        segment_statistics(["a", "b"], ["a", []])
