"""Prompts are, byte for byte, those that lm-evaluation-harness makes of the same rows.

`fixtures/harness_prompts.json` holds what lm-evaluation-harness 0.4.13 itself made of the invented rows of the fixtures (its
`fewshot_context` and `construct_requests`, without a chat template): per item a (context, continuation) per option.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polylect.evaluate import benchmarks
from polylect.evaluate.prompting import Prompter, load_examples
from polylect.evaluate.task_types import ChoiceTask

FIXTURES = Path(__file__).parent / "fixtures"
HARNESS: dict[str, Any] = json.loads((FIXTURES / "harness_prompts.json").read_text(encoding="utf-8"))
CASES = [
    (name, language, int(shots))
    for name in ("xcopa", "xstorycloze", "xwinograd", "global-mmlu")
    for language, by_shots in HARNESS[name].items()
    for shots in by_shots
]


def options(name: str, folder: Path, language: str, shots: int) -> list[list[list[str]]]:
    """Return our (context, continuation) per option of every item."""
    entry = benchmarks.get(name)
    examples = load_examples(entry, folder, [language]) if shots else None
    tasks = Prompter(entry, shots=shots, examples=examples).tasks(entry.load(folder, [language]))
    return [[list(option) for option in task.options] for task in tasks if isinstance(task, ChoiceTask)]


@pytest.mark.parametrize(("name", "language", "shots"), CASES)
def test_prompts_equal_those_of_the_harness(name: str, language: str, shots: int) -> None:
    """Contexts and continuations agree in every character, with and without examples."""
    tag = "ja" if language == "jp" else language
    assert options(name, FIXTURES / name, tag, shots) == HARNESS[name][language][str(shots)]


@pytest.mark.parametrize("language", sorted(HARNESS["xcopa_row"]["expected"]))
def test_connectives_of_xcopa_equal_those_of_the_harness(language: str, tmp_path: Path) -> None:
    """Every language has its own words for cause and effect; white space and capitals go as they go there."""
    row = HARNESS["xcopa_row"]["row"]
    file = tmp_path / language / "test.jsonl"
    file.parent.mkdir()
    rows = [row, {**row, "question": "effect", "idx": 1}]
    file.write_text("".join(json.dumps(entry) + "\n" for entry in rows), encoding="utf-8")
    assert options("xcopa", tmp_path, language, 0) == HARNESS["xcopa_row"]["expected"][language]


def test_prompts_as_one_reads_them() -> None:
    """The strings themselves, for who reads this without the fixture."""
    assert options("xcopa", FIXTURES / "xcopa", "sw", 0)[1] == [
        ["Mwokaji alilala sana kwa hiyo", " mkate ulikuwa mpya."],
        ["Mwokaji alilala sana kwa hiyo", " duka lilifunguliwa kwa kuchelewa."],
    ]
    assert options("xwinograd", FIXTURES / "xwinograd", "en", 0)[0] == [
        ["The kettle did not fit into the sack because the kettle", " was too wide."],
        ["The kettle did not fit into the sack because the sack", " was too wide."],
    ]
    context, continuation = options("global-mmlu", FIXTURES / "global-mmlu", "de", 0)[0][2]
    assert context == (
        "Welches Metall nutzte die erfundene Orlo-Zunft von Veld für Glocken?\nA. Bronze\nB. Papier\nC. Salz\nD. Wolle\nAnswer:"
    )
    assert continuation == " C"
