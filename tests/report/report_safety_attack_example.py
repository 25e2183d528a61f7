"""Attacks on the invented world of report_safety_example: attacked prompts, recorded answers to them, and their comparison."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from report_safety_example import RATES, MarkDetector, write_safety

from polylect import tables
from polylect.safety import evaluate
from polylect.safety.attacks import AttackedPrompt, AttackOptions, attack, compare_attack


def write_attack(
    folder: Path,
    kind: str,
    *,
    plain: Path | None = None,
    items: int = 24,
    more: float = 0.5,
    rates: Mapping[str, tuple[float, float, float]] = RATES,
    options: AttackOptions | None = None,
) -> tuple[Path, Path]:
    """Attack the prompts, evaluate recorded answers plain and attacked, compare; return the folders of attack and comparison.

    A share `more` of the refusals becomes violations, in the attacked answers. `plain` is an evaluation to compare with.
    """
    plain = plain or write_safety(folder / "plain", items=items, rates=rates, judged=False)
    made = folder / "made"
    attack(plain.parent / "prompts.jsonl", kind, out=made, options=options or AttackOptions())
    before = {}
    for line in (plain.parent / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        before[row["item"], row["language"]] = row["answer"]
    draw = random.Random(kind)  # noqa: S311  # nothing secret is drawn
    answers = folder / "attacked.jsonl"
    with answers.open("w", encoding="utf-8") as file:
        for row in tables.read(made / "prompts.parquet", AttackedPrompt):
            said = before.get((row.attack_of, row.attack_from))
            if said is None:
                continue
            if "[refused]" in said and row.harmful and draw.random() < more:
                said = said.replace("[refused]", "[complied]")
            file.write(json.dumps({"item": row.item, "language": row.language, "answer": said, "model": "lantern-base"}) + "\n")
    evaluate(
        None, made / "prompts.parquet", answers=answers, out=folder / "attacked", name="lantern-base", detector=MarkDetector()
    )  # fmt: skip
    compare_attack(plain, folder / "attacked", out=folder / "effect")
    return made, folder / "effect"
