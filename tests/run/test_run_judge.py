"""A whole recipe, from prompts to the report, whose answers a judge behind an endpoint compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from polylect import tables
from polylect.records import Comparison, Prompt
from polylect.run.api import run

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from scripted_endpoint import Scripted, completion

WORDS = {"en": ("the river", "the old town"), "tr": ("nehir", "eski şehir")}
TRAINING = {"steps": 30, "batch_size": 4, "learning_rate": 2e-2, "warmup_steps": 0, "lora": {"rank": 8, "alpha": 16}}
"""Enough for a tiny model to give the one answer that the seeds have, and to stop after it."""


def prompts(folder: Path) -> dict[str, str]:
    """Write a table of prompts per split: open questions; the seed split has answers, to learn from."""
    files = {}
    for split, count in {"seed": 6, "prompt": 8, "preference": 6, "validation": 4, "heldout": 16}.items():
        rows = [
            Prompt(
                item=f"{split} {number}", language=language, kind="open", split=split, text=f"{word} {split} {number}?",
                references=(other,), source="here", licence="CC0-1.0",
            )
            for number in range(count)
            for language, (word, other) in WORDS.items()
        ]  # fmt: skip
        tables.write(folder / f"{split}.parquet", rows, Prompt)
        files[split] = str(folder / f"{split}.parquet")
    return files


def recipe(folder: Path, base: Path, judge: str) -> Path:
    """Write a recipe of one cluster and the fewest steps."""
    data: dict[str, Any] = {
        "name": "judged",
        "languages": list(WORDS),
        "model": {"base": str(base)},
        "clusters": {"groups": {"all": ["tr"]}},
        "prompts": {"source": "files", "files": prompts(folder)},
        "pool": {"all": {"kind": "cluster", "cluster": "all"}, "shots": {"kind": "local", "model": "base", "shots": 1}},
        "teacher": TRAINING,
        "generation": {"max_tokens": 16},
        "arbitrage": {"min_score": 0.0, "min_margin": 0.0, "min_chosen": 0.0},
        "sft": TRAINING,
        "offline": {**TRAINING, "steps": 2, "learning_rate": 1e-4},
        "online": {"iterations": 0},
        "evaluation": {"judge": "llm", "model": judge, "shots": 0},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def test_a_recipe_is_judged_by_a_model(tmp_path: Path, llama: Path) -> None:
    """Every pair of stages is judged over HTTP; the report shows that the judge goes by the place, and asks nothing twice."""
    with Scripted(completion("The first one.\nPreferred: A")) as endpoint:
        path = recipe(tmp_path, llama, f"served:{endpoint.url}#judge")
        run(path, out=tmp_path / "run")
        asked = len(endpoint.bodies)
        run(path, out=tmp_path / "run", force=("compare",))
    assert len(endpoint.bodies) == asked
    assert {body["model"] for body in endpoint.bodies} == {"judge"}
    steps = tmp_path / "run" / "steps"
    rates = tables.read(steps / "compare" / "comparisons.parquet", Comparison)
    assert {(row.a, row.b) for row in rates} == {("sft", "base"), ("offline_dpo", "base"), ("offline_dpo", "sft")}
    found = json.loads((steps / "judge" / "judge.json").read_text())
    assert found["spent"]["games"] > 0 < asked
    assert {one["first_place"] for one in found["certificates"] if one["games"]} == {50.0}
    assert json.loads((steps / "keep" / "offline_dpo" / "verdict.json").read_text())["against"] == "sft"
    page = (tmp_path / "run" / "report.html").read_text()
    for words in ("as judge judges", "Certificate of judge", "not certified", "Win rates are verdicts of a language model"):
        assert words in page
