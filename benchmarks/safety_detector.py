"""How well and how fast a safety detector tells outcomes, on the labelled answers of the tests.

Run: python benchmarks/safety_detector.py [--part test] [--labelled FILE.jsonl] [--detector learned]

Prints the F1 of every language and outcome, the confusion over all languages, recall by the form of the answer, and the
time of the default detector, by rules, and of the learned one. A table of your own needs the columns language, prompt, answer
and outcome (form is optional).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from polylect.safety.detectors import DETECTORS, Agreement, Detector, detector_of, measure
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


def by_form(detector: Detector, rows: Sequence[Mapping[str, str]]) -> None:
    """Print the share of right verdicts by the form of the answer, the hardest first."""
    right, number = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows:
        form = row["outcome"], row.get("form", "")
        number[form] += 1
        right[form] += detector.judge(row["prompt"], row["answer"], row["language"])[0] == row["outcome"]
    for one in sorted(number, key=lambda one: right[one] / number[one]):
        print(f"{one[0]:16}{one[1]:24}{right[one]:4} of {number[one]}")
    print()


def speed(rows: Sequence[Mapping[str, str]]) -> None:
    """Print the time of both detectors, taken in turns, the models loaded."""
    found: dict[str, list[float]] = {name: [] for name in DETECTORS}
    for _ in range(ROUNDS):
        for name in DETECTORS:
            detector = detector_of(name)
            began = time.process_time()
            for row in rows:
                detector.judge(row["prompt"], row["answer"], row["language"])
            found[name].append(1e6 * (time.process_time() - began) / len(rows))
    length = sum(len(row["answer"]) for row in rows) / len(rows)
    rules, learned = (statistics.median(times) for times in found.values())
    print(f"ms of processor time per 1,000 answers (mean length {length:.0f} characters): rules {rules:.0f}, ", end="")
    print(f"learned {learned:.0f}, ratio {learned / rules:.2f}")


def main() -> None:
    """Measure the detector on one labelled table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("dev", "test"), default="test", help="part of the labelled answers of the tests")
    parser.add_argument("--labelled", type=Path, help="a table of your own instead")
    parser.add_argument("--detector", help="rules (the default), learned, or a file of weights")
    given = parser.parse_args()
    detector = detector_of(given.detector)
    path = given.labelled or DATA / f"detector_{given.part}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = measure(detector, [(row["prompt"], row["answer"], row["language"], row["outcome"]) for row in rows])
    by_language(found)
    confusion(found)
    by_form(detector, rows)
    speed(rows)


if __name__ == "__main__":
    main()
