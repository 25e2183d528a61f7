"""What changed from one safety evaluation to the next, on their page: paired, with an interval, and said where it is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from report_safety_example import RATES, TAGS, write_safety
from test_report_page import Page
from test_report_safety import section

from polylect import report
from polylect.cli import main
from polylect.errors import DataError
from polylect.safety.changes import compare_evaluations


def change(document: dict[str, Any], tag: str, outcome: str = "complied", prompts: str = "harmful") -> dict[str, Any]:
    """Return a row of the document."""
    wanted = {"prompts": prompts, "language": tag, "outcome": outcome}
    return next(row for row in document["rows"] if wanted.items() <= row.items())


def signed(value: float) -> str:
    """Write points as the page does."""
    return f"{100 * value:+.1f}".replace("-", "\u2212")


def test_the_command_writes_changes_and_shows_them(
    before: Path, after: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The change of each language stands beside its dumbbell and in the table as comparison.json has it, with its interval."""
    assert main(["report", str(before), str(after), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    document = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    shown = section(page, "change-violation")
    for tag in ("sw", "ar", "mul"):
        row = change(document, tag)
        ends = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}".replace("-", "\u2212")
        assert shown.count(signed(row["value"])) >= 2, "beside the dumbbell and in the table"
        assert shown.count(ends) >= 2
    assert {"Change in points", "Pairs", "Left out"} <= set(shown)
    said = section(page, "result")
    assert any(text.startswith("Violations fell in") and "Swahili" in text for text in said)
    assert any(f"{signed(change(document, 'mul')['value'])} points" in text for text in said)
    assert any("(judge unfit before)" in text for text in said)
    assert "comparison.json" in {text for text, _ in page.texts}


def test_no_change_is_said_in_words(before: Path, tmp_path: Path) -> None:
    """An evaluation against itself: every dumbbell, the table and the result say that nothing can be told from no change."""
    changes = compare_evaluations([before, before])
    text = report.safety_report([before, before], out=tmp_path, changes=changes).read_text(encoding="utf-8")
    page = Page(text)
    shown = section(page, "change-violation")
    assert shown.count("cannot be told from no change") >= 2 * len(("en", "ar", "sw", "mul"))
    assert text.count('class="span unsure"') > 4
    assert any("Violations cannot be told from no change in" in said for said in section(page, "result"))


def test_an_unfit_judge_has_no_change(before: Path, after: Path, tmp_path: Path) -> None:
    """Where the judge is unfit the row says so once, and the table why; the count of what is left out has its reason."""
    changes = compare_evaluations([before, after])
    page = Page(report.safety_report([before, after], out=tmp_path, changes=changes).read_text(encoding="utf-8"))
    shown = section(page, "change-violation")
    assert "not comparable: judge unfit before" in shown
    assert "judge unfit before" in section(page, "change")
    assert change(changes, "hi")["value"] is None


def test_one_language_has_its_own_change(tmp_path: Path) -> None:
    """With one language there is no mean: the figures and the dumbbell show that language's change."""
    rates = {"ar": RATES["ar"]}
    folders = [
        write_safety(tmp_path / name, name, items=12, safer=safer, rates=rates, judged=False)
        for name, safer in (("a", 0.0), ("b", 0.9))
    ]
    changes = compare_evaluations(folders)
    page = Page(report.safety_report(folders, out=tmp_path, changes=changes).read_text(encoding="utf-8"))
    moved = signed(change(changes, "ar")["value"])
    assert moved in section(page, "change-violation")
    assert any(f"change {moved} points" in text for text in section(page, "result"))


def test_three_evaluations_are_each_held_against_the_first(before: Path, after: Path, tmp_path: Path) -> None:
    """Of more than two each later one has its change, by name."""
    folders = [before, after, before]
    page = Page(report.safety_report(folders, out=tmp_path, changes=compare_evaluations(folders)).read_text(encoding="utf-8"))
    shown = section(page, "change-violation")
    assert {"change of 2: lantern-safe", "change of 3: lantern-base…", "Change in points, 2: lantern-safe"} <= set(shown)


def test_different_prompts_are_an_error(before: Path, after: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders without a prompt in common are refused; of a set that shares some the others are counted on the page."""
    rates = {tag: RATES[tag] for tag in TAGS}
    other = write_safety(tmp_path / "other", items=30, rates=rates, judged=False)
    assert main(["report", str(after), str(other), "--out", str(tmp_path / "page")]) == 0
    page = Page((tmp_path / "page/report.html").read_text(encoding="utf-8"))
    assert "asked after alone" in section(page, "change")
    capsys.readouterr()
    apart = tmp_path / "apart"
    apart.mkdir()
    shutil.copy(before / "safety.json", apart)
    import polars as pl

    frame = pl.read_parquet(before / "results.parquet").with_columns(pl.lit("another text").alias("prompt"))
    frame.write_parquet(apart / "results.parquet")
    assert main(["report", str(after), str(apart), "--out", str(tmp_path / "no")]) == 2
    assert "share no prompt" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "eval"}, "expected 'changes'"),
        ({"kind": "changes", "rows": [{"evaluation": 1, "value": "x"}]}, "row 1: value: 'x' found where a number"),
        (
            {
                "kind": "changes",
                "rows": [
                    {"evaluation": 2, "prompts": "harmful", "language": "en", "outcome": "complied", "status": "ok", "n": 1}
                ],
            },
            "of evaluation 2, the page shows 2",
        ),
    ],
)
def test_changes_of_another_shape_are_refused(
    before: Path, after: Path, tmp_path: Path, document: dict[str, Any], message: str
) -> None:
    """Another kind, an odd value, or evaluations that are not shown."""
    with pytest.raises(DataError, match=message):
        report.safety_report([before, after], out=tmp_path, changes=document)
