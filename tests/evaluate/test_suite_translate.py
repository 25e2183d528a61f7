"""Prompt language `translate` from end to end: by a translator or by the model itself, stated in every row."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from polylect import tables
from polylect.evaluate import evaluate
from polylect.records import Measurement

DATA = Path(__file__).parent / "fixtures"


def pairs_of_apertium() -> str:
    """Return the pairs that Apertium has here; none where it is not installed."""
    found = shutil.which("apertium")
    return subprocess.run([found, "-l"], capture_output=True, text=True, check=True).stdout if found else ""


def rows(out: Path) -> list[Measurement]:
    """Return the results of an evaluation."""
    return tables.read(out / "results.parquet", Measurement)


@pytest.mark.parametrize(
    ("translator", "stated"),
    [("self", "self-translate by fake:good"), ("llm:fake:good", "translate-test by good")],
)
def test_items_are_asked_in_english_and_every_row_says_by_whom(tmp_path: Path, translator: str, stated: str) -> None:
    """The prompt's own words are English, the item is the translation, and rows, manifest and reader are told how."""
    found = evaluate(
        "fake:good", ["mgsm"], out=tmp_path / "out", data=DATA / "mgsm", languages=["de", "bn"], shots=0, limit=2,
        prompt_language="translate", translator=translator,
    )  # fmt: skip
    results = rows(tmp_path / "out")
    assert {row.prompt_language for row in results} == {stated}
    assert {row.language for row in results} == {"de", "bn"}
    lines = [line for path in (DATA / "mgsm").rglob("test.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    originals = {json.loads(line)["question"] for line in lines}
    for row in results:
        assert row.prompt.startswith("Question: ")
        assert not any(original in row.prompt for original in originals)
    assert found.manifest["benchmarks"]["mgsm"]["prompts"]["translation"] == stated


def test_rows_of_other_prompts_say_so_too(tmp_path: Path) -> None:
    """The prompt language is stated where nothing is translated as well."""
    for way in ("native", "en"):
        evaluate("fake:good", ["mgsm"], out=tmp_path / way, data=DATA / "mgsm", languages=["de"], shots=0, prompt_language=way)
        assert {row.prompt_language for row in rows(tmp_path / way)} == {way}


@pytest.mark.skipif("spa-eng" not in pairs_of_apertium(), reason="needs Apertium with spa-eng")
def test_apertium_translates_spanish_stories(llama: Path, tmp_path: Path) -> None:
    """A real translator: Spanish stories and endings are scored in English; a pair that is not there is skipped, counted."""
    evaluate(
        str(llama), ["xstorycloze"], out=tmp_path / "out", data=DATA / "xstorycloze", languages=["es", "sw"], limit=2,
        prompt_language="translate", translator="apertium", dtype="float32",
    )  # fmt: skip
    spanish = [row for row in rows(tmp_path / "out") if row.language == "es"]
    assert {row.status for row in spanish} == {"ok"}
    assert {row.prompt_language for row in spanish} == {"translate-test by apertium"}
    assert any("small boat" in row.prompt for row in spanish)
    swahili = [row for row in rows(tmp_path / "out") if row.language == "sw"]
    assert {row.status for row in swahili} == {"skipped"}
    assert all("apertium: sw to en is not installed" in str(row.reason) for row in swahili)
