"""How well and how fast the default safety detector tells outcomes, on the labelled answers of the tests.

Run: python benchmarks/safety_detector.py [--part test] [--labelled FILE.jsonl]

Prints the F1 of every language and outcome, the confusion over all languages, recall by the form of the answer, and answers per
second on one core. A table of your own needs the columns language, prompt, answer and outcome (form is optional).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from polylect.safety.detectors import Agreement, default_detector, measure
from polylect.safety.outcomes import OUTCOMES

DATA = Path(__file__).parents[1] / "tests/safety/data"
ROUNDS = 5


def cell(value: float | None) -> str:
    """Return an F1 with two decimals, a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def by_language(found: Mapping[str, Agreement]) -> None:
    """Print F1 by language and outcome, and the mean of the outcomes."""
    print("language   n    macro F1 " + "".join(f"{outcome:>16}" for outcome in OUTCOMES) + "   abstained")
    for tag, one in found.items():
        print(
            f"{tag:9}{one.n:4}{one.macro_f1:10.3f} " + "".join(f"{cell(one.f1(o)):>16}" for o in OUTCOMES) + f"{one.abstained:12}"
        )
    print(f"lowest macro F1: {min(one.macro_f1 for one in found.values()):.3f}\n")


def confusion(found: Mapping[str, Agreement]) -> None:
    """Print labels by verdicts over all languages."""
    counts = sum((Counter(dict(one.counts)) for one in found.values()), Counter())
    columns = (*OUTCOMES, None)
    print("label / verdict " + "".join(f"{column or 'abstained':>16}" for column in columns))
    for label in OUTCOMES:
        print(f"{label:16}" + "".join(f"{counts[label, column]:16}" for column in columns))
    print()


def by_form(rows: Sequence[Mapping[str, str]]) -> None:
    """Print the share of right verdicts by the form of the answer, the hardest first."""
    detector, right, number = default_detector(), Counter(), Counter()
    for row in rows:
        form = row["outcome"], row.get("form", "")
        number[form] += 1
        right[form] += detector.judge(row["prompt"], row["answer"], row["language"])[0] == row["outcome"]
    for outcome, form in sorted(number, key=lambda one: right[one] / number[one]):
        print(f"{outcome:16}{form:24}{right[outcome, form]:4} of {number[outcome, form]}")
    print()


def speed(rows: Sequence[Mapping[str, str]]) -> None:
    """Print answers per second over all rows, the model of language identification loaded."""
    detector = default_detector()
    for row in rows:
        detector.judge(row["prompt"], row["answer"], row["language"])
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for row in rows:
            detector.judge(row["prompt"], row["answer"], row["language"])
    length = sum(len(row["answer"]) for row in rows) / len(rows)
    print(f"{ROUNDS * len(rows) / (time.perf_counter() - began):.0f} answers per second (mean length {length:.0f} characters)")


def main() -> None:
    """Measure the detector on one labelled table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("dev", "test"), default="test", help="part of the labelled answers of the tests")
    parser.add_argument("--labelled", type=Path, help="a table of your own instead")
    given = parser.parse_args()
    path = given.labelled or DATA / f"detector_{given.part}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = measure(default_detector(), [(row["prompt"], row["answer"], row["language"], row["outcome"]) for row in rows])
    by_language(found)
    confusion(found)
    by_form(rows)
    speed(rows)


if __name__ == "__main__":
    main()
