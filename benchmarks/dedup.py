"""Deduplication: texts per second, memory per row, and recall and precision of near duplicates, in three scripts.

Run: python benchmarks/dedup.py [--texts 200000]

Texts are drawn from vocabularies with Zipf frequencies (5-letter words on average; two Han characters; six Thai letters, no
spaces), 14 words each. One in ten is a copy in which some words were replaced, so that the copies' exact Jaccard similarities
spread over 0.5 to 1. Recall: of the planted copies with similarity >= 0.8 that have no other partner, the share found.
Precision before verification: of the candidate pairs, the share at or above 0.8; after it, it is 1 by construction, and that is
checked. Run it with OMP_NUM_THREADS=1 for figures per core.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from polylect.arbitrage.dedup import Deduplicator
from polylect.arbitrage.minhash import jaccard, shingle_sets
from polylect.languages.shingles import folded, shingle_length

ALPHABETS = {
    "en": "etaoinshrdlucmfwypvbgk",
    "zh-Hans": "".join(map(chr, range(0x4E00, 0x5A00))),
    "th": "กขคงจชดตนบปผพมยรลวสหอาเแโ",
}
WORDS = {"en": (3, 8, " "), "zh-Hans": (2, 2, ""), "th": (4, 8, "")}
WINDOW = 4096


@dataclass(frozen=True)
class Text:
    """One row."""

    id: str
    item: str
    language: str
    text: str


def vocabulary(language: str, random_: random.Random) -> list[str]:
    """Return 20,000 words."""
    shortest, longest, _ = WORDS[language]
    return ["".join(random_.choices(ALPHABETS[language], k=random_.randint(shortest, longest))) for _ in range(20_000)]


def texts(language: str, number: int, seed: int = 0) -> tuple[list[Text], list[tuple[str, str]]]:
    """Return texts in one language and the planted pairs."""
    random_ = random.Random(seed)  # noqa: S311
    words = vocabulary(language, random_)
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    rows, pairs, gap = [], [], WORDS[language][2]
    drawn: list[str] = []
    for place in range(number):
        drawn = drawn if place % 10 == 9 else random_.choices(words, cum_weights=weights, k=14)
        chosen = list(drawn)
        if place % 10 == 9:
            for _ in range(random_.randint(0, 3)):
                chosen[random_.randrange(14)] = random_.choice(words)
            pairs.append((f"{place - 1:08}", f"{place:08}"))
        rows.append(Text(f"{place:08}", f"item:{place}", language, gap.join(chosen)))
    return rows, pairs


def windows(rows: Sequence[Text]) -> Iterator[Sequence[Text]]:
    """Yield the rows in windows."""
    for start in range(0, len(rows), WINDOW):
        yield rows[start : start + WINDOW]


def similarities(rows: Sequence[Text], pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Return the exact similarity of pairs of ids."""
    by_id = {row.id: row for row in rows}
    found = {}
    for pair in pairs:
        sets = shingle_sets([folded(by_id[name].text) for name in pair], shingle_length(by_id[pair[0]].language))
        found[pair] = jaccard(*sets)
    return found


def measure(language: str, number: int) -> None:
    """Print one line for a language."""
    rows, planted = texts(language, number)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, wall = time.process_time(), time.perf_counter()
    found = Deduplicator().find(lambda: windows(rows))
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / number
    exact = similarities(rows, planted)
    near = [pair for pair, value in exact.items() if value >= 0.8]
    hits = {(one, other) for one, other in near if other in found.repeats and found.repeats[other].of == one}
    hard = [pair for pair in near if exact[pair] < 0.85]
    wrong = [
        pair for pair, value in similarities(rows, ((one.of, one.id) for one in found.repeats.values())).items() if value < 0.8
    ]
    print(
        f"{language:8} {number:>9,} texts {sum(len(row.text) for row in rows) / number:5.0f} characters  "
        f"{number / seconds:8,.0f}/s CPU "
        f"{number / wall:8,.0f}/s  {grown:5.0f} B/row  recall {len(hits) / len(near):.4f} of {len(near):,}, "
        f"below 0.85 {len(hits.intersection(hard)) / len(hard):.4f} of {len(hard):,}  "
        f"candidates {found.candidates:,}, share kept {len(found.repeats) / max(1, found.candidates):.2f}, wrong {len(wrong)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=200_000, help="per language")
    number = parser.parse_args().texts
    for language in WORDS:
        measure(language, number)
