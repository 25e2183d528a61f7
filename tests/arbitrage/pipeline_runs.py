"""Prompt tables, pools of fakes and whole runs for the tests of the arbitrage pipeline."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect import tables
from polylect.arbitrage import Summary, arbitrate
from polylect.models.fakes import FakeModel
from polylect.records import Completion, Example, Pair, Prompt, Score

QUESTIONS = {"en": "How much is {0} plus {1}?", "tr": "{0} artı {1} kaç eder?"}
KINDS = {"completions": Completion, "scores": Score, "sft": Example, "pairs": Pair, "heldout": Prompt}
VERIFIABLE = {"kind": "verifiable"}


def known(text: str) -> tuple[str, str]:
    """Return language and right answer of a question."""
    a, b = re.findall(r"\d+", text)[:2]
    return "en" if text.startswith("How") else "tr", str(int(a) + int(b))


def rows(items: int, languages: Sequence[str] = ("en", "tr")) -> list[dict[str, Any]]:
    """Return rows of a prompt table: every item in every language."""
    texts = [(item, tag, QUESTIONS[tag].format(item, item * 7 % 100)) for item in range(items) for tag in languages]
    return [{"item": f"sum:{item}", "language": tag, "text": text, "reference": known(text)[1]} for item, tag, text in texts]


def write_rows(path: Path, given: Sequence[Mapping[str, Any]]) -> Path:
    """Write a table as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in given), encoding="utf-8")
    return path


def pool() -> list[FakeModel]:
    """Return a teacher that is good at English, one at Turkish, and a bad one with every fault."""
    faults = {"empty": 0.1, "truncated": 0.1, "echo": 0.1, "refusal": 0.1, "400": 0.1}
    return [
        FakeModel("west", quality={"en": 0.9, "tr": 0.2}, known=known, licence="Apache-2.0"),
        FakeModel("east", quality={"en": 0.2, "tr": 0.9}, known=known),
        FakeModel("poor", quality=0.3, faults=faults, known=known, may_train=False, licence="secret"),
    ]


def run(folder: Path, router: str = "reward", items: int = 40, **options: Any) -> Summary:
    """Run an arbitrage of the pool over `items` items in two languages."""
    prompts = folder / "prompts.jsonl"
    if not prompts.exists():
        write_rows(prompts, rows(items))
    options = {"out": folder / "out", "repeats": "off", **options}
    return arbitrate(prompts, options.pop("pool", None) or pool(), VERIFIABLE, router, **options)


def table(out: Path, name: str) -> list[Any]:
    """Return a table of an output folder, every value checked against its schema."""
    return tables.read(out / f"{name}.parquet", KINDS[name], allow_empty=True)
