"""Statistics of evaluation: chrF++ and Bradley-Terry against sacrebleu and evalica, speed, and the coverage of the intervals.

Run: python benchmarks/evaluate_statistics.py [--coverage] [--studies 2000] [--resamples 1000]

Without --coverage: chrF++ of 20,000 segments must equal sacrebleu's to 1e-9, and 1,000 resamples of it are timed; ratings of
200 models from 1,000,000 battles must equal evalica's to 1e-4, and 1,000 resamples of prompts are timed. With --coverage: the
share of simulated studies whose nominal 95 % intervals hold the truth, beside that of intervals which take rows for independent
(the simulations are those of tests/evaluate/coverage_studies.py). The wall time of a busy machine misleads: processor time
stands beside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from polylect.evaluate.bradley_terry import Battles, fit, win_matrix
from polylect.evaluate.chrf import SegmentTable, corpus_score, segment_statistics
from polylect.evaluate.ratings import ratings
from polylect.resampling import draws

T = TypeVar("T")

WORDS = ["der", "Hund", "läuft,", "schnell.", "(und", "das", "Haus)", "größer!", "東京", "は", "a", "b?", "नमस्ते", "…", "evening"]
MODELS, BATTLES, PROMPTS, SEGMENTS = 200, 1_000_000, 500, 20_000


def timed(what: str, job: Callable[[], T]) -> T:
    """Run a job and print its time."""
    wall, processor = time.perf_counter(), time.process_time()
    result = job()
    print(f"  {what}: {time.perf_counter() - wall:.2f} s, {time.process_time() - processor:.2f} s of processor")
    return result


def chrf(resamples: int) -> None:
    """Compare chrF++ with sacrebleu's and time resampling."""
    from sacrebleu.metrics import CHRF

    chance = random.Random(0)  # noqa: S311
    ours, theirs = ([" ".join(chance.choices(WORDS, k=chance.randint(0, 30))) for _ in range(SEGMENTS)] for _ in range(2))
    print(f"chrF++, {SEGMENTS:,} segments")
    expected = timed("sacrebleu, corpus score", lambda: CHRF(word_order=2).corpus_score(ours, [theirs]).score)
    counts = timed("statistics per segment", lambda: segment_statistics(ours, theirs))
    print(f"  difference to sacrebleu: {abs(float(corpus_score(counts.sum(axis=0))) - expected):.1e}")
    table = SegmentTable.of([f"{i:06}" for i in range(SEGMENTS)], ["de"] * SEGMENTS, counts, ["de"])
    for seed in range(3):
        draws.cache_clear()
        timed(f"{resamples:,} resamples", lambda seed=seed: table.replicates(seed, resamples))  # type: ignore[misc]


def bradley_terry(resamples: int) -> None:
    """Compare ratings with evalica's and time resampling."""
    import evalica

    generator = np.random.default_rng(0)
    strengths = generator.normal(size=MODELS)
    a = generator.integers(MODELS, size=BATTLES)
    b = (a + generator.integers(1, MODELS, size=BATTLES)) % MODELS
    won = generator.random(BATTLES) < 1 / (1 + np.exp(strengths[b] - strengths[a]))
    points = np.where(generator.random(BATTLES) < 0.2, 0.5, won.astype(float))
    names = tuple(f"m{i:03}" for i in range(MODELS))
    battles = Battles(names, a, b, points, generator.integers(PROMPTS, size=BATTLES))
    print(f"Bradley-Terry, {BATTLES:,} battles, {MODELS} models, {PROMPTS} prompts")
    results = {1.0: evalica.Winner.X, 0.5: evalica.Winner.Draw, 0.0: evalica.Winner.Y}
    lefts, rights, winners = a.tolist(), b.tolist(), [results[point] for point in points.tolist()]
    found = timed("evalica", lambda: evalica.bradley_terry(lefts, rights, winners, tolerance=1e-9, limit=10_000))
    expected = np.log(found.scores.reindex(range(MODELS)).to_numpy())
    fitted = timed("win matrix and fit", lambda: fit(win_matrix(battles)))
    print(f"  largest difference to evalica (log-odds): {np.abs(fitted - (expected - expected.mean())).max():.1e}")
    timed("ratings with sandwich errors", lambda: ratings(battles, resamples=0))
    timed(f"ratings with {resamples:,} resamples of prompts", lambda: ratings(battles, resamples=resamples))
    alone = Battles(names, a, b, points, np.arange(BATTLES))
    timed(
        f"the same, every battle a prompt of its own, {resamples // 10} resamples",
        lambda: ratings(alone, resamples=resamples // 10),
    )


def coverage(studies: int) -> None:
    """Print the coverage of each interval."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluate"))
    import coverage_studies

    print(f"{studies:,} studies each: share of nominal 95 % intervals that hold the truth")
    for study in coverage_studies.STUDIES:
        found = study.run(studies)
        naive = "" if found.naive is None else f"   naive {100 * found.naive:5.1f} %"
        print(f"  {study.name:<66} {100 * found.clustered:5.1f} %{naive}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    if options.coverage:
        coverage(options.studies)
    else:
        chrf(options.resamples)
        bradley_terry(options.resamples)
