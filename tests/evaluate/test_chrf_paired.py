"""Paired differences of corpus chrF++."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from polylect.errors import EvaluationError
from polylect.evaluate.chrf import corpus_score, segment_statistics
from polylect.evaluate.paired_chrf import compare_corpus_chrf
from polylect.records import Measurement

WORDS = ("Haus", "läuft,", "schnell.", "東京", "größer!", "a", "b?", "नमस्ते", "evening", "train", "river", "stone")


def texts(keep: float, seed: int, segments: int = 150) -> tuple[list[str], list[str]]:
    """Return references and hypotheses that keep the given share of their words."""
    chance, noise = random.Random(3), random.Random(seed)  # noqa: S311
    theirs = [" ".join(chance.choices(WORDS, k=chance.randint(4, 14))) for _ in range(segments)]
    return theirs, [" ".join(word for word in one.split() if noise.random() < keep) for one in theirs]


def rows(model: str, keep: dict[str, float], seed: int) -> list[Measurement]:
    """Return translations of the same items into several languages."""
    found = []
    for place, (language, share) in enumerate(keep.items()):
        theirs, ours = texts(share, seed + place)
        found += [
            Measurement(
                model=model, benchmark="flores", language=language, item=f"{i}", metric="chrf++", score=0.0, output=x, reference=y
            )
            for i, (x, y) in enumerate(zip(ours, theirs, strict=True))
        ]
    return found


def test_the_difference_is_that_of_two_corpus_scores() -> None:
    """Values equal sacrebleu's scores subtracted, the error is that of resampling, and the verdict follows."""
    a, b = rows("a", {"de": 0.8, "tr": 0.6}, 10), rows("b", {"de": 0.6, "tr": 0.6}, 20)
    (found,) = compare_corpus_chrf(a, b)
    by_language = {row.language: row for row in found.languages}
    for place, language in enumerate(("de", "tr")):
        theirs, ours = texts(0.8 if language == "de" else 0.6, 10 + place)
        other = texts(0.6, 20 + place)[1]
        scores = [CHRF(word_order=2).corpus_score(one, [theirs]).score for one in (ours, other)]
        row = by_language[language]
        assert row.value == pytest.approx(scores[0] - scores[1], abs=1e-9)
        picks = np.random.default_rng(1).integers(150, size=(2000, 150))
        drawn = [corpus_score(segment_statistics(one, theirs)[picks].sum(axis=1)) for one in (ours, other)]
        low, high = np.percentile(drawn[0] - drawn[1], (2.5, 97.5))
        assert row.high is not None
        assert row.low is not None
        assert row.high - row.low == pytest.approx(high - low, rel=0.1)
    assert {row.language: row.verdict for row in found.languages} == {"de": "better", "tr": "undecided"}
    assert compare_corpus_chrf(a[::-1], b) == [found]


def test_segments_of_one_side_only_are_counted() -> None:
    """A failed translation leaves both corpora and is counted on the other side; nothing in common is an error."""
    a, b = rows("a", {"de": 0.8}, 10), rows("b", {"de": 0.6}, 20)
    (found,) = compare_corpus_chrf(a, b[:-2])
    assert (found.languages[0].n, found.languages[0].only_a) == (148, 2)
    with pytest.raises(EvaluationError, match="no benchmark has outputs of both"):
        compare_corpus_chrf(a, [])
    with pytest.raises(EvaluationError, match=r"several models \(a, b\)"):
        compare_corpus_chrf(a + b, b)
