"""The pages of drift and of distillation: figures with intervals, courses over dates, ages as of the day, counts by reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from report_safety_drift_example import TAGS, TODAY, write_comparison, write_drift
from test_report_page import HOSTILE, Page
from test_report_safety import change, section

from polylect.cli import main
from polylect.errors import DataError
from polylect.languages import known
from polylect.report.page import MAX_BYTES
from polylect.report.safety_distil import distil_report
from polylect.report.safety_drift import drift_report


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts of three dates in five languages; nothing is scored in Swahili."""
    return write_drift(tmp_path_factory.mktemp("drift"))


@pytest.fixture
def folder(measured: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    (tmp_path / "safety.json").write_bytes((measured / "safety.json").read_bytes())
    return tmp_path


def figure(folder: Path, **wanted: str) -> dict[str, Any]:
    """Return a row of the document."""
    rows = json.loads((folder / "safety.json").read_text(encoding="utf-8"))["rows"]
    return next(row for row in rows if wanted.items() <= row.items())


def test_figures_and_courses(measured: Path) -> None:
    """Both figures per language with intervals, small charts over the dates, and what changed between the last two."""
    page = Page(drift_report(measured, today=TODAY).read_text(encoding="utf-8"))
    assert [a.get("id") for a in page.all("figure")] == [
        "levels",
        "dates-maximum",
        "dates-probability",
        "step-1",
        "step-2",
        "ages",
    ]
    row = figure(measured, by="all", metric="expected maximum", language="ar")
    assert {f"{row['value']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}"} <= set(section(page, "levels"))
    assert "no prompt has enough scored samples" in section(page, "levels")
    newest = figure(measured, by="date", group="2026-03-01", metric="probability", language="en")
    assert f"{newest['value']:.2f}" in section(page, "dates-probability")
    panels = [a for a in page.all("div") if a.get("class") == "panel"]
    assert len(panels) == 2 * len(("mul", "en", "ar", "he", "hi")), "no small chart without a point"
    assert "Prompts of 2026-03-01 minus those of 2024-09-01" in section(page, "step-1")
    assert any(text.startswith("Expected maximum toxicity from 2024-09-01 to 2026-03-01:") for text in section(page, "result"))
    assert any("no service" in text for text in section(page, "samples"))


def test_ages_are_those_of_the_day(measured: Path, tmp_path: Path) -> None:
    """Ages are counted to the day the page is written, not to that of the evaluation; what was stale then is not said twice."""
    soon = Page(drift_report(measured, out=tmp_path, today=TODAY).read_text(encoding="utf-8"))
    assert {"92 days", "not stale (after 365)", "1\u202f188 days"} <= set(section(soon, "ages"))
    text = drift_report(measured, out=tmp_path, today=date(2027, 6, 1)).read_text(encoding="utf-8")
    later = Page(text)
    assert {"457 days", "stale (after 365)"} <= set(section(later, "ages"))
    assert "as of 2027-06-01" in text
    assert not [said for said in section(later, "notes") if said.startswith("stale prompts")]
    assert "of 3 sets stale" in section(later, "result")


def test_a_comparison_and_a_single_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two evaluations show newer minus older; prompts of one date in one language have a page that says what is missing."""
    compared = write_comparison(tmp_path / "two")
    assert main(["report", str(compared)]) == 0
    page = Page((compared / "report.html").read_text(encoding="utf-8"))
    row = figure(compared, metric="expected maximum", language="mul")
    assert f"{row['value']:+.2f}" in section(page, "step-1")
    assert "Expected maximum toxicity: rose in" in " ".join(section(page, "result"))
    single = write_drift(tmp_path / "one", tags=("ar",), dates=("2026-03-01",))
    page = Page(drift_report(single, today=TODAY).read_text(encoding="utf-8"))
    assert [a.get("id") for a in page.all("figure")] == ["levels", "ages"]
    assert any(text.startswith("The prompts are of one date") for text in section(page, "dates"))
    capsys.readouterr()
    assert main(["report", str(compared), str(single)]) == 2
    assert "safety drift --compare" in capsys.readouterr().err
    assert main(["report", str(single), "--show-text"]) == 2
    assert "keeps no text for a page" in capsys.readouterr().err


def test_prompts_without_a_date_are_in_the_table_alone(folder: Path) -> None:
    """They have no place on the axis of time, and no age; the page says both."""

    def undate(found: dict[str, Any]) -> None:
        for row in found["rows"]:
            row["group"] = "" if row["group"] == "2024-09-01" else row["group"]
        for row in found["summary"]["sets"]:
            row["date"] = None if row["date"] == "2024-09-01" else row["date"]
        found["summary"]["differences"] = []

    change(folder, undate)
    page = Page(drift_report(folder, today=TODAY).read_text(encoding="utf-8"))
    assert "undated" in section(page, "dates-maximum")
    assert any("without a date are in the table alone" in text for text in section(page, "dates-maximum"))
    assert any(text.startswith("Nobody can tell how old") for text in section(page, "result"))


def test_many_languages_keep_the_page_small(folder: Path) -> None:
    """With 400 languages of three dates the page stays below its limit and says how many it leaves out."""

    def grow(found: dict[str, Any]) -> None:
        own = [row for row in found["rows"] if row["language"] == "ar"]
        found["rows"] += [{**row, "language": one.tag} for one in list(known())[:400] if one.tag not in TAGS for row in own]

    change(folder, grow)
    text = drift_report(folder, today=TODAY).read_text(encoding="utf-8")
    assert MAX_BYTES / 3 < len(text.encode()) < MAX_BYTES
    assert "languages are left out of the page" in text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda found: found["summary"].update(what=None), "summary.what: None"),
        (lambda found: found["rows"][0].update(n="3"), "rows, number 1: n: '3' found where a whole number"),
        (lambda found: found["summary"]["sets"][0].update(date="yesterday"), "'yesterday' found where a date"),
        (lambda found: found["summary"].pop("sets"), "sets: 'None' found where a list"),
    ],
)
def test_a_broken_document_is_refused(folder: Path, spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
    """File, place, value and rule are named, and no page is written."""
    change(folder, spoil)
    with pytest.raises(DataError, match=message):
        drift_report(folder, today=TODAY)
    assert not (folder / "report.html").exists()


def distilled(folder: Path, tags: Sequence[str] = ("en", "ar", "sw")) -> Path:
    """Write a document as `polylect safety distil` does: in the second language nothing is kept, the last has no preamble."""
    no_counts = {"without_preamble": 0, "harm_lost": 0, "spare": 0, "pairs": 0, "no_compliance": 0}

    def row(kind: str, tag: str, answers: int, kept: int, dropped: dict[str, int], **counts: int) -> dict[str, Any]:
        whole = {"asked": answers, "answers": answers, "kept": kept, **no_counts, **counts}
        return {"prompts": kind, "language": tag, **whole, "dropped": dropped}

    rows = [row("harmful", tag, 12, 4, {"no refusal": 5, "cut off": 1}, spare=2, pairs=3) for tag in (tags[0], *tags[2:-1])]
    rows += [
        row("harmful", tags[1], 12, 0, {"no refusal": 10, HOSTILE: 2}),
        row("harmful", tags[-1], 0, 0, {}, without_preamble=6),
        row("harmless", tags[0], 6, 1, {"refused": 5}),
        row("harmful", "mul", 24, 4, {"no refusal": 15, "cut off": 1, HOSTILE: 2}, spare=2, pairs=3),
    ]
    summary = {"set": "lanterns", "model": "lantern-base", "detector": "words", "turn": "system", "samples": 2}
    document = {"schema": "polylect.safety/1", "kind": "distil", "rows": rows, "notes": [HOSTILE]}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**document, "summary": {**summary, "skipped": {"empty": 1}}})
    (folder / "safety.json").write_text(text, encoding="utf-8")
    return folder


def test_distillation_counts_by_reason(tmp_path: Path) -> None:
    """Kept, spare and dropped answers per language and reason, too few anchors, and what was never asked."""
    assert main(["report", str(distilled(tmp_path))]) == 0
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    shown = section(page, "answers-harmful")
    assert {"Kept", "Dropped: no refusal", "Dropped: cut off", "kept of 12", "5: no refusal; 1: cut off"} <= set(shown)
    said = section(page, "result")
    assert any(text.startswith("No refusal was kept in Arabic and Swahili") for text in said)
    assert any(text.startswith("Fewer than half as many harmless answers as refusals in English") for text in said)
    assert {"prompts without a preamble in their language", "rows empty"} <= set(section(page, "missing"))


def test_distillation_without_anchors_says_so(tmp_path: Path) -> None:
    """Without harmless prompts nothing holds over-refusal down; a broken row is refused by its place."""
    distilled(tmp_path)
    change(tmp_path, lambda found: found.update(rows=found["rows"][:1]))
    page = Page(distil_report(tmp_path).read_text(encoding="utf-8"))
    assert any(text.startswith("No harmless prompts were asked") for text in section(page, "anchors"))
    change(tmp_path, lambda found: found["rows"][0].update(dropped=[]))
    with pytest.raises(DataError, match=r"rows, number 1: dropped: '\[\]' found where an object"):
        distil_report(tmp_path)
