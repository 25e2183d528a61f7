"""The page of an arbitrage: what `polylect arbitrage` measured, whole, small, readable without seeing it, and safe."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_arbitrage_example import write_arbitrage
from test_report_page import HOSTILE, Page

from polylect import report
from polylect.errors import DataError
from polylect.report.page import MAX_BYTES

CHARTS = ("shares", "rewards", "ways", "regret", "gains", "win-rates", "wrong-language", "costs", "failed-answers")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of an arbitrage whose router asks everybody."""
    return write_arbitrage(tmp_path_factory.mktemp("reward"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Its two documents, to be spoilt."""
    for name in ("routing.json", "manifest.json"):
        shutil.copy(made / name, tmp_path)
    return tmp_path


def page_of(folder: Path) -> tuple[str, Page]:
    """Write the page; return its text and its elements."""
    text = report.arbitrage_report(folder).read_text(encoding="utf-8")
    return text, Page(text)


def change(folder: Path, name: str, by: Callable[[dict[str, Any]], Any]) -> None:
    """Change a document in place."""
    found = json.loads((folder / name).read_text(encoding="utf-8"))
    by(found)
    (folder / name).write_text(json.dumps(found), encoding="utf-8")


def section(page: Page, name: str) -> list[str]:
    """Texts inside the element with an id."""
    return [text for text, stack in page.texts if any(a.get("id") == name for _, a in stack)]


def test_the_page_is_whole_and_small(made: Path) -> None:
    """Well-formed, below the limit, nothing loaded, nothing run; what refers to an id finds it; the size is that of a file."""
    text, page = page_of(made)
    assert (made / "report.html").stat().st_size < MAX_BYTES / 3
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch"}
    assert any("default-src 'none'" in (a.get("content") or "") for a in page.all("meta"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = {(a["href"] or "")[1:] for a in page.all("a")}
    for _, a in page.elements:
        wanted |= set(f"{a.get('aria-labelledby') or ''} {a.get('aria-describedby') or ''}".split())
    assert len(wanted) > 20
    assert wanted <= set(ids)


def test_every_picture_has_words_and_a_table(made: Path) -> None:
    """Nine charts, each with title, description and its numbers as a table; drawings are hidden from screen readers."""
    _, page = page_of(made)
    figures = page.all("figure")
    assert [a.get("id") for a in figures] == list(CHARTS)
    assert all(a.get("aria-labelledby") and a.get("aria-describedby") for a in figures)
    tabled = {
        a.get("id") for _, stack in page.texts if any(tag == "table" for tag, _ in stack) for tag, a in stack if tag == "figure"
    }
    assert tabled == set(CHARTS)
    assert all(a.get("aria-hidden") == "true" for a in page.all("svg") if "strip" in (a.get("class") or ""))
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in page.all("div") if a.get("class") == "scroll")


def test_numbers_are_those_of_routing_json(made: Path) -> None:
    """Shares, rewards, gains, win rates, costs and reasons stand in the tables as the documents have them, rounded."""
    _, page = page_of(made)
    routing = json.loads((made / "routing.json").read_text(encoding="utf-8"))
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    row = routing["languages"]["ar"]
    best = max(row["teachers"], key=lambda name: row["teachers"][name]["share"]["value"] or 0)
    assert best == "semitic"
    assert f"{100 * row['teachers'][best]['share']['value']:.1f}%" in section(page, "shares")
    assert f"{row['reward']['value']:.3f}" in section(page, "rewards")
    assert f"{row['gain']['translation']['value']:.3f}" in section(page, "gains")
    ends = row["win_rate"]["translation"]
    assert f"{100 * ends['low']:.1f} to {100 * ends['high']:.1f}" in section(page, "win-rates")
    assert f"${row['cost']:.4f}" in section(page, "costs")
    for reason, number in manifest["reasons"].items():
        assert {reason, str(number)} <= set(section(page, "failed-answers"))
    left_out = {reason for reasons in manifest["dropped"].values() for reason in reasons}
    assert len(left_out) > 5
    assert left_out <= set(section(page, "missing"))


def test_languages_stand_in_their_own_script_and_direction(made: Path) -> None:
    """Right-to-left names are marked as such, and the sentences say who was taken most where."""
    text, page = page_of(made)
    assert 'lang="ar" dir="rtl">العربية' in text
    assert 'lang="he" dir="rtl">עברית' in text
    assert "semitic was taken most in Arabic and Hebrew." in section(page, "result")


def test_what_is_not_known_is_a_dash(tmp_path: Path) -> None:
    """A router that was compared with nobody shows dashes and says why; a teacher that does not answer somewhere has a dash."""
    _, page = page_of(write_arbitrage(tmp_path, "random", items=8))
    figures = section(page, "result")
    assert figures.count("–") == 4
    assert figures.count("not known: no prompt was answered by all teachers") == 4
    assert not {"ways", "regret", "gains", "win-rates"} & {a.get("id") for a in page.all("figure")}
    assert any(text.startswith("Not known: no prompt") for text in section(page, "compared"))
    assert "–" in section(page, "teachers")


def test_a_language_without_any_answer_is_shown(folder: Path) -> None:
    """Where all answers failed the language keeps its rows, blank, and its prompts are counted with their reason."""
    nothing = {"value": None, "low": None, "high": None, "n": 0}

    def empty(found: dict[str, Any]) -> None:
        row = found["languages"]["tr"]
        row.update(dict.fromkeys(("reward", "regret", "routed", "oracle", "wrong_language"), nothing))
        row.update(taken=0, compared=0, not_taken={"no answer": 25}, teachers={})

    change(folder, "routing.json", empty)
    change(folder, "routing.json", lambda found: found["languages"]["mul"]["not_taken"].update({"no answer": 25}))
    _, page = page_of(folder)
    assert "nothing taken" in section(page, "shares")
    assert "not known" in section(page, "rewards")
    assert {"no answer", "25"} <= set(section(page, "missing"))


def test_hostile_text_stays_text(folder: Path) -> None:
    """Names, reasons and settings full of markup and direction overrides are shown, not obeyed."""
    name = HOSTILE.replace("\ud800", "")

    def spoil(found: dict[str, Any]) -> None:
        found["teachers"][0] = found["best_single"] = found["router"]["name"] = found["router"][name] = name
        for row in found["languages"].values():
            row["teachers"] = {name if key == "west" else key: value for key, value in row["teachers"].items()}
            row["not_taken"] = {name: 3}

    change(folder, "routing.json", spoil)
    change(
        folder, "manifest.json", lambda found: found.update(reasons={name: 7}, dropped={"sft": {name: 1}}, settings={name: name})
    )
    text, page = page_of(folder)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not {"\u202e", "\x00", "\x1b"} & set(text)
    assert text.count("⟨U+202E⟩") > 10


def test_many_languages_keep_the_page_small(folder: Path) -> None:
    """With a hundred languages the page stays below its limit, says how many it leaves out, and shows those with most prompts."""
    from polylect.languages import known

    tags = [row.tag for row in known()][:100]

    def grow(found: dict[str, Any]) -> None:
        row = found["languages"]["en"]
        rows = {tag: {**row, "prompts": 1000 - place} for place, tag in enumerate(tags)}
        found["languages"] = {**rows, "mul": found["languages"]["mul"]}

    change(folder, "routing.json", grow)
    text, page = page_of(folder)
    assert MAX_BYTES / 2 < len(text.encode()) < MAX_BYTES
    (told,) = (line for line in section(page, "result") if "left out below" in line)
    shown = len(tags) - int(told.split()[0])
    assert "100 prompts in 100 languages, 4 teachers" in {line for line, _ in page.texts}
    assert shown > 20
    shares = section(page, "shares")
    from polylect.languages import get

    assert get(tags[shown - 1]).name in shares
    assert get(tags[shown]).name not in shares


def test_tokens_stand_for_costs_where_nothing_has_a_price(folder: Path) -> None:
    """Without prices the bars are tokens, and say so."""

    def free(found: dict[str, Any]) -> None:
        for row in found["languages"].values():
            for one in (row, *row["teachers"].values()):
                one["cost"] = 0.0

    change(folder, "routing.json", free)
    _, page = page_of(folder)
    assert {"Tokens per language", "Tokens"} <= set(section(page, "costs"))


def test_a_budget_is_shown(folder: Path) -> None:
    """Limits, what was spent and what was refused stand in a table of their own."""
    row = {"unit": "usd", "limit": 2.0, "estimated": 0.1, "spent": 0.25, "set_aside": 0, "asked": 40, "refused": {"over": 3}}
    change(folder, "routing.json", lambda found: found.update(budget={"tr": row}))
    _, page = page_of(folder)
    assert {"Budget per language", "$2.00", "$0.2500", "40", "3"} <= set(section(page, "cost"))


def test_documents_from_before_gains_are_shown(folder: Path) -> None:
    """A routing.json without the paired gains keeps its page; they are blank."""

    def older(found: dict[str, Any]) -> None:
        for row in found["languages"].values():
            del row["gain"], row["uncompared"]

    change(folder, "routing.json", older)
    _, page = page_of(folder)
    assert "–" in section(page, "gains")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("routing.json", lambda found: found.update(schema=9), r"routing\.json: schema 9 is not 1"),
        ("routing.json", lambda found: found.pop("router"), r"routing\.json: router: 'None' found where a JSON object"),
        ("routing.json", lambda found: found["languages"].pop("mul"), "no 'mul'"),
        (
            "routing.json",
            lambda found: found["languages"]["tr"].update(taken="many"),
            r"languages\.tr\.taken: 'many' .* whole number",
        ),
        (
            "routing.json",
            lambda found: found["languages"]["tr"]["reward"].update(value="1"),
            r"tr\.reward\.value: '1' .* a number",
        ),
    ],
)
def test_a_broken_document_is_refused(folder: Path, name: str, spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
    """File, key, value and rule are named, and no page is written."""
    change(folder, name, spoil)
    with pytest.raises(DataError, match=message):
        report.arbitrage_report(folder)
    assert not (folder / "report.html").exists()


def test_an_unfinished_folder_is_refused(folder: Path) -> None:
    """Without a manifest the arbitrage is not finished: there is nothing to show yet."""
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match="finished `polylect arbitrage`"):
        report.arbitrage_report(folder)
