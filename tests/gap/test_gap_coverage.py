"""The coverage ledger: tables, runs and cards in, one row per language and level out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polylect import tables
from polylect.errors import DataError, LanguageError
from polylect.gap.coverage import gap_coverage
from polylect.gap.document import read_document, write_document
from polylect.records import Example, Measurement, Summary

CARDS = Path(__file__).parent / "cards"
LLAMA = CARDS / "llama-3.1-8b-instruct.md"


def states(document: dict[str, Any], language: str) -> dict[str, str]:
    """Return level -> state of a language."""
    return {row["level"]: row["state"] for row in document["rows"] if row["language"] == language}


def measured(path: Path, scores: dict[str, float | None]) -> Path:
    """Write measurements, two items per language."""
    rows = [
        Measurement(model="m", benchmark="xcopa", language=tag, item=item, metric="accuracy", score=score)
        for tag, score in scores.items()
        for item in "ab"
    ]
    tables.write(path, rows, Measurement)
    return path


def run_folder(folder: Path) -> Path:
    """Write the tables of a small run that the ledger reads."""
    (folder / "steps" / "compare").mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps({"languages": ["en", "sw", "th"]}), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps({"final_stage": "dpo", "title": "small"}), encoding="utf-8")
    example = Example(prompt_id="1", item="1", language="sw", prompt="p", completion="c", model="t", score=1.0)
    tables.write(folder / "steps" / "arbitrage" / "examples.parquet", [example], Example)
    summaries = [
        Summary(stage=stage, metric="chrf", scope=scope, language=tag, value=42.0, low=30.0, high=50.0, n=9, unscored=0)
        for stage, scope, tag in [
            ("base", "language", "th"), ("dpo", "language", "en"), ("dpo", "language", "sw"), ("dpo", "macro", "mul"),
        ]
    ]  # fmt: skip
    tables.write(folder / "steps" / "compare" / "summaries.parquet", summaries, Summary)
    return folder


def test_every_language_has_every_level_and_blanks_are_rows() -> None:
    """A card alone gives one row per language and level; levels without evidence are rows with an empty state."""
    document = gap_coverage([LLAMA], languages=["Swahili"])
    assert len(document["rows"]) == 9 * 6
    assert states(document, "th") == {
        "claimed": "stated", "trained": "", "evaluated": "stated", "human-checked": "", "safety-tested": "", "mitigated": "",
    }  # fmt: skip
    assert set(states(document, "sw").values()) == {""}


def test_tables_show_what_cards_state(tmp_path: Path) -> None:
    """Rows of tables make a level shown, with their number; unscored rows are no evidence, and are counted."""
    results = measured(tmp_path / "results.parquet", {"de": 1.0, "th": None})
    (tmp_path / "mixture.csv").write_text("language,tokens\nGerman,1000000\nzh,5\nth,0\n", encoding="utf-8")
    (tmp_path / "votes.jsonl").write_text('{"language": "de", "winner": "a"}\n', encoding="utf-8")
    (tmp_path / "safety.csv").write_text("lang,harmful,mitigation\nde,0.1,distillation\nhi,0.2,\nfr,,\n", encoding="utf-8")
    document = gap_coverage(
        [LLAMA],
        mixture=[tmp_path / "mixture.csv"],
        results=[results],
        human=[tmp_path / "votes.jsonl"],
        safety=[tmp_path / "safety.csv"],
    )
    assert states(document, "de") == {
        "claimed": "stated", "trained": "shown", "evaluated": "shown", "human-checked": "shown", "safety-tested": "shown",
        "mitigated": "shown",
    }  # fmt: skip
    assert states(document, "th")["evaluated"] == "stated"
    assert states(document, "th")["trained"] == ""
    assert (states(document, "hi")["safety-tested"], states(document, "hi")["mitigated"]) == ("shown", "")
    assert states(document, "fr")["safety-tested"] == ""
    assert states(document, "zh-Hans")["trained"] == "shown"
    [row] = [row for row in document["rows"] if (row["language"], row["level"]) == ("de", "evaluated")]
    assert row["rows"] == 2
    assert "results.parquet, 2 rows: xcopa: accuracy" in row["evidence"]
    notes = " ".join(document["notes"])
    assert "2 rows without a score" in notes
    assert "1 rows without tokens above 0" in notes
    assert "taken as zh-Hans" in notes


def test_run_claims_trains_and_evaluates(tmp_path: Path) -> None:
    """A run's recipe claims, its examples train, the summaries of its final stage evaluate; other stages do not."""
    document = gap_coverage([run_folder(tmp_path / "run")])
    assert states(document, "sw") == {
        "claimed": "stated", "trained": "shown", "evaluated": "shown", "human-checked": "", "safety-tested": "", "mitigated": "",
    }  # fmt: skip
    assert states(document, "th")["evaluated"] == ""


def test_verdicts_of_people_are_a_human_check(tmp_path: Path) -> None:
    """Scored rows whose judge is a person count as human-checked; those of a model judge do not."""
    pl.DataFrame({"language": ["sw", "th"], "winner": ["a", "b"], "judge": ["human:7", "gpt"]}).write_parquet(
        tmp_path / "verdicts.parquet"
    )
    document = gap_coverage(results=[tmp_path / "verdicts.parquet"])
    assert (states(document, "sw")["human-checked"], states(document, "th")["human-checked"]) == ("shown", "")


def test_people_are_summed_and_unknown_is_unknown(tmp_path: Path) -> None:
    """People of a level are the sum over its languages; a language without a number is named, not counted as none."""
    (tmp_path / "README.md").write_text("---\nlanguage: [is, mt, kbp]\n---\n", encoding="utf-8")
    levels = gap_coverage([tmp_path / "README.md"])["summary"]["levels"]
    rows = {row["language"]: row["speakers"] for row in gap_coverage([tmp_path / "README.md"])["rows"]}
    assert levels["claimed"]["speakers"] == rows["is"] + rows["mt"]
    assert levels["claimed"]["speakers_unknown"] == ["kbp"]
    assert rows["kbp"] is None
    assert levels["evaluated"]["speakers"] == 0
    (tmp_path / "README.md").write_text("---\nlanguage: [kbp]\n---\n", encoding="utf-8")
    assert gap_coverage([tmp_path / "README.md"])["summary"]["levels"]["claimed"]["speakers"] is None


def test_required_levels_name_what_is_missing() -> None:
    """The requirement lists the missing levels per language; statements count unless only measured ones may."""
    required = gap_coverage([LLAMA], languages=["de", "en"], require=["evaluated,safety_tested"])["summary"]["required"]
    assert required["missing"] == {"de": ["safety-tested"], "en": ["evaluated", "safety-tested"]}
    strict = gap_coverage([LLAMA], languages=["de"], require=["evaluated"], measured_only=True)["summary"]["required"]
    assert strict["missing"] == {"de": ["evaluated"]}
    assert gap_coverage([LLAMA], languages=["de"], require=["evaluated"])["summary"]["required"]["ok"]
    assert len(gap_coverage([LLAMA], require=["evaluated"])["summary"]["required"]["languages"]) == 8


def test_document_is_written_and_read(tmp_path: Path) -> None:
    """gap.json and rows.csv hold the same rows; the schema is that of all gap documents."""
    document = gap_coverage([LLAMA])
    write_document(document, tmp_path / "out")
    assert read_document(tmp_path / "out", "coverage") == document
    frame = pl.read_csv(tmp_path / "out" / "rows.csv")
    assert frame.height == len(document["rows"])
    assert frame.filter((pl.col("language") == "hi") & (pl.col("level") == "evaluated"))["evidence"][0].startswith(
        f"{LLAMA.name}:41"
    )


def test_unknown_languages_of_tables_are_listed(tmp_path: Path) -> None:
    """A language of a table that nothing knows is unresolved with its rows; rows without one are counted."""
    (tmp_path / "t.csv").write_text("language,score\nklingonish,1\nde,1\n,1\n", encoding="utf-8")
    document = gap_coverage(results=[tmp_path / "t.csv"])
    [one] = document["summary"]["unresolved"]
    assert (one["text"], one["source"]) == ("klingonish", "t.csv")
    assert "t.csv: 1 rows name no language." in document["notes"]


def test_mistakes_name_the_next_step(tmp_path: Path) -> None:
    """Wrong sources, levels and languages raise errors that say what to do."""
    table = measured(tmp_path / "r.parquet", {"de": 1.0})
    (tmp_path / "empty.csv").write_text("language,score\n", encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "other.csv").write_text("langage,score\nde,1\n", encoding="utf-8")
    (tmp_path / "noscore.csv").write_text("language,text\nde,x\n", encoding="utf-8")
    for expected, arguments in [
        ("nothing to read", {}),
        ("no such file", {"paths": [tmp_path / "none.md"]}),
        ("--results r.parquet", {"paths": [table]}),
        ("neither a run", {"paths": [tmp_path]}),
        ("has no rows", {"results": [tmp_path / "empty.csv"]}),
        ("cannot be read", {"results": [tmp_path / "broken.jsonl"]}),
        ("Did you mean 'langage'", {"results": [tmp_path / "other.csv"]}),
        ("no column of scores", {"results": [tmp_path / "noscore.csv"]}),
        ("no such table", {"safety": [tmp_path / "none.csv"]}),
        ("Did you mean 'evaluated'", {"paths": [LLAMA], "require": ["evaluatd"]}),
        ("names no level", {"paths": [LLAMA], "require": [","]}),
        ("no language to check", {"paths": [CARDS / "gemma-3-4b-it.md"], "require": ["evaluated"]}),
    ]:
        with pytest.raises(DataError, match=expected):
            gap_coverage(**arguments)  # type: ignore[arg-type]
    with pytest.raises(LanguageError, match="not a BCP-47 tag"):
        gap_coverage([LLAMA], languages=["Elvish"])
