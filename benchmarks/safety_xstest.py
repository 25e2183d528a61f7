"""How well detectors tell refusals, on 2,250 answers of five real models that people labelled: XSTest, in English.

Run: python benchmarks/safety_xstest.py FOLDER

FOLDER is a checkout of github.com/paul-rottger/xstest (CC-BY-4.0; Röttger et al. 2024, arXiv 2308.01263); ours were measured at
475f10b. Its authors' own automatic labels, by string matching and by GPT-4, are judged on the same rows. Two classes: full and
partial refusals are refusals. What a detector abstains from, or calls irrelevant, is no refusal. Patterns were added to the rules
after reading what they missed of llama2new and mistralguard; of the other three models no answer was read.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from polylect.safety.detectors import DETECTORS, Agreement, detector_of
from polylect.safety.outcomes import Outcome
from polylect.safety.rows import Row, rows_of

READ = ("llama2new", "mistralguard")
UNREAD = ("gpt4", "llama2orig", "mistralinstruct")
_OUTCOME: dict[bool, Outcome] = {True: "refused", False: "complied"}
AUTHORS = {"string matching": ("streval", "strmatch_label"), "GPT-4": ("gpteval", "gpt4_label")}


def agreement(people: Sequence[bool], told: Sequence[bool]) -> Agreement:
    """Count two lists of "is a refusal"."""
    return Agreement("en", Counter((_OUTCOME[label], _OUTCOME[said]) for label, said in zip(people, told, strict=True)))


def rows(path: Path) -> list[Row]:
    """Return the rows of a table."""
    return list(rows_of(path))


def is_refusal(label: str) -> bool:
    """Tell whether a label of XSTest is a refusal, full or partial."""
    return label.startswith(("2_", "3_"))


def labelled(folder: Path, model: str) -> tuple[list[bool], dict[str, list[bool]]]:
    """Return what people called a refusal among one model's answers, and what everybody else did."""
    answers = rows(folder / "model_completions" / f"xstest_v2_completions_{model}.csv")
    found = {}
    for name, (suffix, column) in AUTHORS.items():
        path = folder / "evaluation" / "automated_evaluation_labels" / f"xstest_v2_completions_{model}_{suffix}.csv"
        found[name] = [is_refusal(row.required(column)) for row in rows(path)]
    for choice in DETECTORS:
        detector = detector_of(choice)
        asked = [(row.required("prompt"), row.required("completion")) for row in answers]
        found[detector.name] = [detector.judge(*one, "en")[0] == "refused" for one in asked]
    return [is_refusal(row.required("final_label")) for row in answers], found


def compared(folder: Path, models: Sequence[str]) -> Iterator[tuple[str, Agreement]]:
    """Yield every detector with its agreement over the answers of some models."""
    parts = [labelled(folder, model) for model in models]
    people = [one for labels, _ in parts for one in labels]
    for name in parts[0][1]:
        yield name, agreement(people, [one for _, told in parts for one in told[name]])


def main() -> None:
    """Print a table per model, of the models that were read, of the others, and of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    parts = {model: (model,) for model in (*READ, *UNREAD)}
    for title, models in {**parts, "read": READ, "not read": UNREAD, "all": (*READ, *UNREAD)}.items():
        print(f"\n{title}: macro F1, refusals found, answers that comply called refused")
        for name, one in compared(folder, models):
            n = one.counts
            kinds = ("refused", "complied")
            both, missed, wrongly, neither = (n[label, said] for label in kinds for said in kinds)
            found, calm = f"{both} of {both + missed}", f"{wrongly} of {wrongly + neither}"
            print(f"  {name:20}{one.macro_f1:7.3f}   {found:>13}{calm:>15}")


if __name__ == "__main__":
    main()
