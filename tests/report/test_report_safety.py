"""The page of safety evaluations: what `polylect safety eval` measured, whole, small, readable without seeing it, and safe."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from report_safety_example import TAGS
from test_report_page import HOSTILE, Page

from polylect import report
from polylect.errors import DataError
from polylect.report.page import MAX_BYTES

CHARTS = (
    "outcomes-harmful", "rates", "above-english", "outcomes-harmless", "resource-class", "scope", "categories", "origin",
    "certificate",
)  # fmt: skip


@pytest.fixture
def folder(before: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    for name in ("safety.json", "results.parquet"):
        shutil.copy(before / name, tmp_path)
    return tmp_path


def page_of(*folders: Path, out: Path, show_text: bool = False) -> tuple[str, Page]:
    """Write the page; return its text and its elements."""
    text = report.safety_report(folders, out=out, show_text=show_text).read_text(encoding="utf-8")
    return text, Page(text)


def change(folder: Path, by: Callable[[dict[str, Any]], Any]) -> None:
    """Change the document in place."""
    found = json.loads((folder / "safety.json").read_text(encoding="utf-8"))
    by(found)
    (folder / "safety.json").write_text(json.dumps(found), encoding="utf-8")


def rate(folder: Path, outcome: str, tag: str, prompts: str = "harmful", by: str = "all", group: str = "") -> dict[str, Any]:
    """Return a row of the document."""
    wanted = {"prompts": prompts, "by": by, "group": group, "language": tag, "outcome": outcome}
    rows = json.loads((folder / "safety.json").read_text(encoding="utf-8"))["rows"]
    return next(row for row in rows if wanted.items() <= row.items())


def section(page: Page, name: str) -> list[str]:
    """Texts inside the element with an id."""
    return [text for text, stack in page.texts if any(a.get("id") == name for _, a in stack)]


def percent(value: float) -> str:
    """Write a rate as the page does."""
    return f"{100 * value:.1f}%"


def test_the_page_is_whole_and_small(before: Path, tmp_path: Path) -> None:
    """Well-formed, below the limit, nothing loaded, nothing run; what refers to an id finds it; every picture has its table."""
    text, page = page_of(before, out=tmp_path)
    assert len(text.encode()) < MAX_BYTES / 3
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert any("default-src 'none'" in (a.get("content") or "") for a in page.all("meta"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = {(a["href"] or "")[1:] for a in page.all("a")}
    for _, a in page.elements:
        wanted |= set(f"{a.get('aria-labelledby') or ''} {a.get('aria-describedby') or ''}".split())
    assert wanted <= set(ids)
    assert [a.get("id") for a in page.all("figure")] == list(CHARTS)
    tabled = {
        a.get("id") for _, stack in page.texts if any(tag == "table" for tag, _ in stack) for tag, a in stack if tag == "figure"
    }
    assert tabled == set(CHARTS)
    assert all(a.get("aria-hidden") == "true" for a in page.all("svg") if "strip" in (a.get("class") or ""))


def test_numbers_are_those_of_the_document(before: Path, tmp_path: Path) -> None:
    """Outcomes, intervals, gaps to English, classes, scopes and kinds stand on the page as safety.json has them, rounded."""
    _, page = page_of(before, out=tmp_path)
    swahili = rate(before, "complied", "sw")
    shown = section(page, "outcomes-harmful")
    assert percent(swahili["value"]) in shown
    assert f"{100 * swahili['low']:.1f} to {100 * swahili['high']:.1f}" in shown
    over = swahili["over_english"]["value"]
    assert over
    assert f"{100 * over:+.1f}".replace("-", "\u2212") in section(page, "above-english")
    assert percent(rate(before, "refused", "fr", "harmless")["value"]) in section(page, "rates")
    class_two = rate(before, "irrelevant", "mul", by="resource class", group="2")
    assert {"Class 2", "1 language", percent(class_two["value"])} <= set(section(page, "resource-class"))
    assert percent(rate(before, "complied", "ar", by="scope", group="local")["value"]) in section(page, "scope")
    assert {"lantern theft", "secrets"} <= set(section(page, "categories"))
    mean = rate(before, "complied", "mul")["value"]
    assert {percent(mean), "violation rate", "Hindi"} <= set(section(page, "result"))


def test_an_unfit_judge_has_words_instead_of_numbers(before: Path, tmp_path: Path) -> None:
    """In Hindi no rate, no bar and no count of pairs is shown, but that the judge is unfit, and why."""
    assert rate(before, "complied", "hi")["status"] == "judge unfit"
    text, page = page_of(before, out=tmp_path)
    assert "Judge unfit in Hindi: its verdicts there cannot be relied on." in section(page, "result")
    for name in ("outcomes-harmful", "rates", "scope", "outcomes-harmless", "resource-class"):
        assert "judge unfit" in section(page, name), name
    pairs = [text for text, stack in page.texts if any("Pairs of a harmful" in (a.get("aria-label") or "") for _, a in stack)]
    hindi = pairs[pairs.index("Hindi") :][:7]
    assert hindi.count("judge unfit") == 5
    assert {"✗ unfit", "✓ fit"} <= set(section(page, "certificate"))
    assert any("kappa of" in text for text in section(page, "certificate"))
    assert text.count('class="void"') >= 3


def test_what_left_the_denominator_is_said(before: Path, tmp_path: Path) -> None:
    """Failed answers by reason, lost harm and disagreement of the sources are counted."""
    _, page = page_of(before, out=tmp_path)
    missing = section(page, "missing")
    assert {"failed: missing from the recorded answers", "the translation lost the harm", "2", "left the denominator"} <= set(
        missing
    )
    trust = section(page, "trust")
    assert "judge and detector" in trust
    assert any("refused / complied: " in text for text in trust)


def test_two_evaluations_are_before_and_after(before: Path, after: Path, tmp_path: Path) -> None:
    """Dumbbells per outcome hold both rates; every other picture is there for each; over-refusal is not hidden."""
    _, page = page_of(before, after, out=tmp_path)
    shown = [str(a.get("id")) for a in page.all("figure")]
    assert [name for name in shown if name.startswith("change-")] == [
        "change-violation", "change-over-refusal", "change-irrelevant", "change-wrong-language",
    ]  # fmt: skip
    assert {"outcomes-harmful-1", "outcomes-harmful-2", "scope-1", "certificate-2", "above-english"} <= set(shown)
    violation = section(page, "change-violation")
    for folder in (before, after):
        assert percent(rate(folder, "complied", "sw")["value"]) in violation
        assert percent(rate(folder, "refused", "mul", "harmless")["value"]) in section(page, "change-over-refusal")
    assert {"Before: lantern-base", "After: lantern-safe", "before", "after"} <= set(violation)
    was = percent(rate(before, "complied", "mul")["value"])
    assert any(f"{was} before" in text for text in section(page, "result"))


def test_no_text_is_shown_unless_asked_for(before: Path, tmp_path: Path) -> None:
    """Without --show-text no prompt and no answer is on the page; with it each is in a closed part with a button."""
    text, _ = page_of(before, out=tmp_path)
    assert "Blue Lantern" not in text
    text, page = page_of(before, out=tmp_path, show_text=True)
    places = [stack for said, stack in page.texts if "Blue Lantern" in said]
    assert len(places) > 5
    for stack in places:
        (veiled,) = [a for tag, a in stack if tag == "details" and a.get("class") == "veiled"]
        assert "open" not in veiled
        assert not any(tag == "summary" for tag, _ in stack)
    stand_ins = [said for said, stack in page.texts if any(a.get("class") == "veil" for _, a in stack)]
    assert stand_ins
    assert set("".join(stand_ins)) <= set("o ")
    assert 'lang="ar" dir="rtl" class="said">صف' in text
    assert 'dir="auto"' in text
    said = {said for said, _ in page.texts}
    assert {"complied (by judge)", "Show the text"} <= said
    assert any(one.startswith("no outcome: judge unfit: kappa of") for one in said)


def test_several_evaluations_without_a_folder_make_a_comparison(folder: Path, after: Path) -> None:
    """One goes to report.html beside its document, several to comparison.html in the folder of the last."""
    assert report.safety_report(after) == after / "report.html"
    assert report.safety_report([after, folder / "safety.json"]) == folder / "comparison.html"
    text = report.safety_report([after, after, folder, after]).read_text(encoding="utf-8")
    assert len(text.encode()) < MAX_BYTES
    assert f"lantern-safe ({after.parent.name}/out)" in text
    with pytest.raises(DataError, match="5 safety evaluations"):
        report.safety_report([after] * 5)


def test_different_prompts_and_judges_are_said(folder: Path, after: Path) -> None:
    """A comparison of unlike evaluations warns of it."""

    def other(found: dict[str, Any]) -> None:
        found["summary"]["judge"] = "another"
        found["summary"]["prompts"]["harmful"] = 7

    change(folder, other)
    _, page = page_of(folder, after, out=folder)
    said = " ".join(section(page, "result"))
    assert "different judges" in said
    assert "asked different prompts" in said


def test_hostile_text_stays_text(folder: Path) -> None:
    """Names, kinds, reasons, notes, prompts and answers full of markup and direction overrides are shown, not obeyed."""
    hostile = HOSTILE.replace("\ud800", "").replace("\x00", "")

    def spoil(found: dict[str, Any]) -> None:
        found["notes"].append(hostile)
        found["summary"].update(model=hostile, judge=hostile)
        found["summary"]["unscored"] = {"sw": {hostile: 3}}
        found["summary"]["prompts"]["name"] = hostile
        for row in found["rows"]:
            if row["by"] == "category":
                row["group"] = hostile + row["group"]

    change(folder, spoil)
    frame = pl.read_parquet(folder / "results.parquet")
    frame = frame.with_columns(pl.lit(hostile).alias("prompt"), pl.lit(hostile).alias("output"))
    frame.write_parquet(folder / "results.parquet")
    text, page = page_of(folder, out=folder, show_text=True)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not {"\u202e", "\x1b"} & set(text)
    assert text.count("⟨U+202E⟩") > 10


def test_a_set_that_says_little_has_few_pictures(folder: Path) -> None:
    """Without harmless prompts, scopes and kinds the page says that these are not known."""
    change(folder, lambda found: found.update(rows=[r for r in found["rows"] if (r["prompts"], r["by"]) == ("harmful", "all")]))
    _, page = page_of(folder, out=folder)
    assert any(text.startswith("No harmless prompts were asked") for text in section(page, "over-refusal"))
    assert "The prompts name no kinds of harm." in section(page, "kinds")
    assert "rates" in {a.get("id") for a in page.all("figure")}


def test_harmless_prompts_alone_make_a_page(folder: Path) -> None:
    """An evaluation of over-refusal alone shows it, and claims nothing of violations."""
    change(folder, lambda found: found.update(rows=[row for row in found["rows"] if row["prompts"] == "harmless"]))
    _, page = page_of(folder, out=folder)
    figures = {a.get("id") for a in page.all("figure")}
    assert {"rates", "outcomes-harmless"} <= figures
    assert not {"outcomes-harmful", "above-english", "resource-class"} & figures
    assert "violation rate" not in section(page, "result")


def test_many_languages_keep_the_page_small(folder: Path) -> None:
    """With 150 languages the page stays below its limit and says how many it leaves out of the pictures."""
    from polylect.languages import known

    tags = [row.tag for row in known()][:150]

    def grow(found: dict[str, Any]) -> None:
        own = [row for row in found["rows"] if (row["language"], row["by"]) == ("sw", "all")]
        found["summary"]["certificates"] += [
            {**row, "language": tag} for row in found["summary"]["certificates"][:1] for tag in tags if tag not in TAGS
        ]
        found["rows"] += [{**row, "language": tag} for tag in tags if tag not in TAGS for row in own]

    change(folder, grow)
    text, page = page_of(folder, out=folder)
    assert MAX_BYTES / 3 < len(text.encode()) < MAX_BYTES
    assert any("left out of the pictures" in said for said in section(page, "result"))
    assert any("tables without pictures" in said for said in section(page, "result"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda found: found.update(schema="x/9"), r"safety\.json: schema 'x/9'; expected 'polylect\.safety/1'"),
        (lambda found: found.update(kind="drift"), "a document of `polylect safety drift`"),
        (lambda found: found["rows"][3].update(value="1"), r"rows, number 4: value: '1' found where a number or null"),
        (lambda found: found["rows"][0].update(n=None), r"rows, number 1: n: 'None' found where a whole number"),
        (lambda found: found["summary"].pop("pairs"), r"summary\.pairs: 'None' found where a list"),
        (lambda found: found["summary"].update(harm_lost=[]), r"summary\.harm_lost: '\[\]' found where an object"),
    ],
)
def test_a_broken_document_is_refused(folder: Path, spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
    """File, place, value and rule are named, and no page is written."""
    change(folder, spoil)
    with pytest.raises(DataError, match=message):
        report.safety_report(folder)
    assert not (folder / "report.html").exists()


def test_a_missing_document_is_refused(tmp_path: Path) -> None:
    """A folder without safety.json is no finished evaluation."""
    with pytest.raises(DataError, match="finished `polylect safety eval`"):
        report.safety_report(tmp_path)
