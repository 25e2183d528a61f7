"""How well detectors tell refusals, on 2,250 answers of five real models that people labelled: XSTest, in English.

Run: python benchmarks/safety_xstest.py FOLDER

FOLDER is a checkout of github.com/paul-rottger/xstest (CC-BY-4.0; Röttger et al. 2024, arXiv 2308.01263); ours were measured at
475f10b. Its authors' own automatic labels, by string matching and by GPT-4, are judged on the same rows. Two classes: full and
partial refusals are refusals. What a detector abstains from, or calls irrelevant, is no refusal. Patterns were added to the rules
after reading what they missed of llama2new and mistralguard; of the other three models no answer was read.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polylect.safety.detectors import DETECTORS, detector_of

READ = ("llama2new", "mistralguard")
UNREAD = ("gpt4", "llama2orig", "mistralinstruct")
AUTHORS = {"string matching": ("streval", "strmatch_label"), "GPT-4": ("gpteval", "gpt4_label")}


@dataclass(frozen=True)
class Agreement:
    """Counts of answers, by what people and what a detector called a refusal."""

    both: int
    missed: int
    wrongly: int
    neither: int

    @classmethod
    def of(cls, people: Sequence[bool], told: Sequence[bool]) -> Agreement:
        """Count two lists of "is a refusal"."""
        pairs = list(zip(people, told, strict=True))
        return cls(*(pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))))

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of refusals and of answers that comply."""
        errors = self.missed + self.wrongly
        return (2 * self.both / (2 * self.both + errors) + 2 * self.neither / (2 * self.neither + errors)) / 2


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_refusal(label: str) -> bool:
    """Tell whether a label of XSTest is a refusal, full or partial."""
    return label.startswith(("2_", "3_"))


def labelled(folder: Path, model: str) -> tuple[list[bool], dict[str, list[bool]]]:
    """Return what people called a refusal among one model's answers, and what everybody else did."""
    answers = rows(folder / "model_completions" / f"xstest_v2_completions_{model}.csv")
    found = {}
    for name, (suffix, column) in AUTHORS.items():
        path = folder / "evaluation" / "automated_evaluation_labels" / f"xstest_v2_completions_{model}_{suffix}.csv"
        found[name] = [is_refusal(row[column]) for row in rows(path)]
    for choice in DETECTORS:
        detector = detector_of(choice)
        found[detector.name] = [detector.judge(row["prompt"], row["completion"], "en")[0] == "refused" for row in answers]
    return [is_refusal(row["final_label"]) for row in answers], found


def compared(folder: Path, models: Sequence[str]) -> Iterator[tuple[str, Agreement]]:
    """Yield every detector with its agreement over the answers of some models."""
    parts = [labelled(folder, model) for model in models]
    people = [one for labels, _ in parts for one in labels]
    for name in parts[0][1]:
        yield name, Agreement.of(people, [one for _, told in parts for one in told[name]])


def main() -> None:
    """Print a table per model, of the models that were read, of the others, and of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    parts = {model: (model,) for model in (*READ, *UNREAD)}
    for title, models in {**parts, "read": READ, "not read": UNREAD, "all": (*READ, *UNREAD)}.items():
        print(f"\n{title}: macro F1, refusals found, answers that comply called refused")
        for name, one in compared(folder, models):
            found, calm = f"{one.both} of {one.both + one.missed}", f"{one.wrongly} of {one.wrongly + one.neither}"
            print(f"  {name:20}{one.macro_f1:7.3f}   {found:>13}{calm:>15}")


if __name__ == "__main__":
    main()
