"""The files of a report: JSON with its schema, CSV with its rows, and how they are written."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from report_example import LANGUAGES, STAGES, example

from polylect import report
from polylect.errors import DataError
from polylect.records import MULTIPLE

RESULT = {"language", "metric", "value", "low", "high", "n", "unscored"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of the example."""
    path = tmp_path_factory.mktemp("run")
    report.write(example(), path)
    return path


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    """The parsed report.json."""
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_three_files_are_written_and_nothing_else(folder: Path) -> None:
    """The folder holds the three files under their fixed names, and no temporary file."""
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "results.csv"]


def test_paths_are_returned_in_order(tmp_path: Path) -> None:
    """`write` returns the paths of what it wrote."""
    assert [path.name for path in report.write(example(), tmp_path / "new")] == ["report.html", "report.json", "results.csv"]


def test_json_has_the_documented_keys(document: dict[str, Any]) -> None:
    """The names that other programs rely on are there, no fewer and no more."""
    assert document["schema_version"] == report.SCHEMA_VERSION == 1
    assert set(document) == {
        *("schema_version", "title", "description", "created", "machine", "languages", "base_stage", "reference_stages"),
        *("final_stage", "stages", "comparisons", "differences", "routing", "steps", "samples", "assets", "settings", "notes"),
        *("drops", "few_shot_stage", "baseline_stage", "merges", "judge", "safety"),
    }
    assert set(document["stages"][0]) == {"name", "title", "model", "kept", "note", "results", "worst", "gap"}
    assert set(document["stages"][0]["results"][0]) == RESULT
    counts = {"win", "loss", "tie", "unscored"}
    assert set(document["comparisons"][0]) == {"a", "b", "language", "win_rate", "low", "high", "n", "reason"} | counts
    assert set(document["differences"][0]) == {"a", "b", "metric", "language", "value", "low", "high", "n"}
    assert set(document["steps"][0]) == {"name", "key", "seconds", "peak_memory_mb", "skipped", "tokens", "bytes"}


def test_docs_name_every_field_of_the_json(document: dict[str, Any]) -> None:
    """docs/report.md describes each field that occurs in report.json."""
    docs = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    rows = [document, *(document[name][0] for name in document if isinstance(document[name], list) and document[name])]
    names = {name for row in [*rows, document["stages"][0]["results"][0]] if isinstance(row, dict) for name in row}
    assert len(names) > 40
    assert not [name for name in names if f"`{name}`" not in docs]


def test_results_hold_languages_and_the_macro_average(document: dict[str, Any]) -> None:
    """Each stage lists every metric for every language and "mul"; worst and gap stand apart."""
    for stage in document["stages"]:
        assert {(row["language"], row["metric"]) for row in stage["results"]} >= {
            (tag, metric) for tag in (*LANGUAGES, MULTIPLE) for metric in ("exact_match", "chrf", "language_pass")
        }
        assert [row["language"] for row in stage["gap"]] == [MULTIPLE] * 4
        assert all(row["language"] in LANGUAGES for row in stage["worst"])


def test_numbers_pass_through_unchanged(document: dict[str, Any]) -> None:
    """JSON holds the very numbers of the records, to the last bit."""
    given = {(s.stage, s.language, s.metric): s.value for s in example().summaries if s.scope in {"language", "macro"}}
    written = {(s["name"], r["language"], r["metric"]): r["value"] for s in document["stages"] for r in s["results"]}
    assert written == given


def test_reading_gives_back_what_was_written(folder: Path) -> None:
    """A report survives the way through JSON."""
    data = example()
    back = report.read(folder / "report.json")
    key = lambda s: s.id  # noqa: E731
    assert sorted(back.summaries, key=key) == sorted(data.summaries, key=key)
    assert dataclasses.replace(back, summaries=[]) == dataclasses.replace(data, summaries=[])


def test_not_a_number_becomes_null(tmp_path: Path) -> None:
    """NaN and infinities, which JSON does not know, are null; in CSV they are empty."""
    data = example()
    broken = dataclasses.replace(data.summaries[0], value=float("nan"), low=None, high=float("inf"))
    report.write(dataclasses.replace(data, summaries=[broken, *data.summaries[1:]], settings={"x": float("nan")}), tmp_path)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    first = document["stages"][0]["results"][0]
    assert (first["value"], first["low"], first["high"], document["settings"]["x"]) == (None, None, None, None)
    assert (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[4:7] == ["", "", ""]


def test_csv_has_one_row_per_summary(folder: Path) -> None:
    """results.csv lists every summary with its scope, numbers unrounded."""
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    summaries = example().summaries
    assert list(rows[0]) == ["stage", "language", "metric", "scope", "value", "low", "high", "n", "unscored"]
    assert len(rows) == len(summaries)
    assert [float(row["value"]) for row in rows] == [s.value for s in summaries]
    assert {row["stage"] for row in rows} == {stage.name for stage in STAGES}


def test_half_a_surrogate_pair_survives_in_json(tmp_path: Path) -> None:
    """Text that UTF-8 cannot hold is escaped in JSON and reads back as it was."""
    data = example()
    odd = dataclasses.replace(data.samples[0], prompt="a\ud800b")
    report.write(dataclasses.replace(data, samples=[odd]), tmp_path)
    assert report.read(tmp_path / "report.json").samples[0].prompt == "a\ud800b"


def test_a_failed_report_leaves_the_old_one(tmp_path: Path) -> None:
    """When the data are refused, the files of the last report stay as they were."""
    report.write(example(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError):
        report.write(dataclasses.replace(example(), base_stage="gone"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("{", "not valid JSON"),
        ("[]", "schema_version is None"),
        ('{"schema_version": 99}', "schema_version is 99, this release reads 1"),
        ('{"schema_version": 1}', "missing or unknown"),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    """Reading names the file and what is wrong with it."""
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        report.read(path)
    assert str(path) in str(caught.value)


def test_the_public_names_are_those_listed() -> None:
    """The package offers what its `__all__` says."""
    assert report.__all__ == sorted(report.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(report, name) for name in report.__all__)


def test_importing_the_package_loads_nothing_heavy() -> None:
    """jinja2, polars and the other parts are loaded when a report is written, not before."""
    code = "import sys, polylect.report; print(*{'jinja2', 'polars', 'numpy', 'altair', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == ""
