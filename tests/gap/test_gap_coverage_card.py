"""`write_card`: metadata that the hub's library reads, and the section on languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_gap_coverage import measured, run_folder

from polylect.errors import DataError
from polylect.gap.card_writing import write_card
from polylect.gap.cards import read_card
from polylect.gap.document import make_document, write_document

BASE = """---
license: apache-2.0
language:
- en
- de
tags: [mine]
---

# Mine

A model for English and German.
"""


def result_folder(folder: Path) -> Path:
    """Write a result folder with summary rows as `polylect eval` does."""
    folder.mkdir()
    measured(folder / "results.parquet", {"en": 1.0, "de": 0.5, "zh-Hans": 0.0})

    def row(scope: str, tag: str, value: float | None, **more: Any) -> dict[str, Any]:
        found = {"model": "org/mine", "benchmark": "xcopa", "metric": "accuracy", "subset": "", "scope": scope, "language": tag}
        return {**found, "value": value, "low": 0.1, "high": 0.9, "n": 2, "items": 2, "unscored": 0, "statuses": {}, **more}

    rows = [row("language", "en", 1.0), row("language", "de", 0.5), row("language", "zh-Hans", 0.0), row("gap", "de", 0.5)]
    rows += [row("language", "th", None), row("language", "de", 0.1, metric="other"), row("language", "de", 0.2, subset="part")]
    (folder / "summary.json").write_text(json.dumps({"main_metrics": {"xcopa": "accuracy"}, "rows": rows}), encoding="utf-8")
    return folder


def test_card_is_valid_to_the_hub_library(tmp_path: Path) -> None:
    """huggingface_hub loads the card: languages as ISO codes, one result per language with n and interval."""
    from huggingface_hub import ModelCard

    out = write_card(result_folder(tmp_path / "r"), tmp_path / "README.md")
    data = ModelCard.load(out).data
    assert data.language == ["de", "en", "zh"]
    assert data.model_name == "org/mine"
    found = {one.dataset_config: one for one in data.eval_results}
    assert set(found) == {"en", "de", "zh-Hans"}
    assert found["de"].metric_value == 0.5
    assert found["de"].metric_args["n"] == 2
    assert "95 % interval 0.1000 to 0.9000" in found["de"].metric_args["notes"]


def test_section_says_what_is_missing(tmp_path: Path) -> None:
    """The section names the worst language, the gap to English, levels without evidence, and what was left out."""
    text = write_card(result_folder(tmp_path / "r"), tmp_path / "README.md").read_text(encoding="utf-8")
    assert "worst language Chinese (Simplified), 0.000" in text
    assert "| German | de | 0.500 | 0.100 to 0.900 | 2 | 0.500 (0.100 to 0.900) |" in text
    assert "| Chinese (Simplified) | zh-Hans | 0.000 | 0.100 to 0.900 | 2 | 1.000 |" in text
    assert "- safety-tested: no evidence for any language." in text
    assert "1 results without a scored row were left out" in text
    assert "Not measured." in text


def test_base_is_kept_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    """The base's keys and text stay; writing onto the own output gives the same bytes."""
    base = tmp_path / "README.md"
    base.write_text(BASE, encoding="utf-8")
    results = result_folder(tmp_path / "r")
    once = write_card(results, base, base=base).read_bytes()
    twice = write_card(results, base, base=base).read_bytes()
    assert once == twice
    text = once.decode()
    assert "license: apache-2.0" in text
    assert "A model for English and German." in text
    assert "| Chinese (Simplified) | zh-Hans | – | – | yes |" in text
    assert read_card(base).languages("claimed") == ("de", "en")


def test_written_section_is_read_back_as_statements(tmp_path: Path) -> None:
    """Reading the card again gives the levels that the section says yes to, and no others."""
    out = write_card(run_folder(tmp_path / "run"), tmp_path / "README.md")
    card = read_card(out)
    assert card.languages("trained") == ("sw",)
    assert card.languages("evaluated") == ("en", "sw")
    assert card.languages("safety-tested") == ()


def test_premiums_are_shown(tmp_path: Path) -> None:
    """Premiums of `polylect gap tokenizer` stand beside the evidence, with the dearest language named."""
    rows = [{"tokenizer": "t", "language": "de", "premium": 1.32, "low": 1.3, "high": 1.35}]
    write_document(make_document("tokenizer", rows, {}, []), tmp_path / "gap")
    text = write_card(result_folder(tmp_path / "r"), tmp_path / "README.md", tokens=tmp_path / "gap").read_text(encoding="utf-8")
    assert "1.32 (1.30 to 1.35)" in text
    assert "most in German, 1.32 times" in text
    assert "tokenization premium: not measured for en, zh-Hans" in text


def test_mistakes_are_errors(tmp_path: Path) -> None:
    """A folder without results, a base with broken YAML and one without a scored language are refused."""
    with pytest.raises(DataError, match="neither a result folder"):
        write_card(tmp_path, tmp_path / "README.md")
    results = result_folder(tmp_path / "r")
    (tmp_path / "base.md").write_text("---\na: b: c\nlanguage: en\n---\n", encoding="utf-8")
    with pytest.raises(DataError, match="not valid YAML"):
        write_card(results, tmp_path / "README.md", base=tmp_path / "base.md")
    (results / "summary.json").write_text('{"rows": []}', encoding="utf-8")
    with pytest.raises(DataError, match="no language has a scored result"):
        write_card(results, tmp_path / "README.md")
