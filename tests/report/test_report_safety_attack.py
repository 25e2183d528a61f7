"""The page of attacks: effects with intervals, meaning kept, what was left out and why, and no text unless asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_safety_attack_example import write_attack
from report_safety_example import RATES
from test_report_page import HOSTILE, Page
from test_report_safety import change, section

from polylect.cli import main
from polylect.errors import DataError
from polylect.languages import known
from polylect.report.page import MAX_BYTES
from polylect.report.safety_attack import attack_report
from polylect.report.safety_attack_charts import attack_label

TAGS = ("en", "ar", "te")


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Prompts in three wrappers, and their effect; in Telugu the detector abstains."""
    return write_attack(tmp_path_factory.mktemp("wrap"), "wrap", items=12, rates={tag: RATES[tag] for tag in TAGS})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, wrapped: tuple[Path, Path]) -> tuple[Path, Path]:
    """The same prompts in Latin letters: English is in them already, of Telugu there is no table."""
    plain = wrapped[0].parent / "plain/out"
    return write_attack(tmp_path_factory.mktemp("latin"), "transliterate", plain=plain, more=0.0)


@pytest.fixture
def folder(wrapped: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the comparison, to be spoilt."""
    (tmp_path / "safety.json").write_bytes((wrapped[1] / "safety.json").read_bytes())
    return tmp_path


def effect(folder: Path, **wanted: str) -> dict[str, Any]:
    """Return a row of a document."""
    rows = json.loads((folder / "safety.json").read_text(encoding="utf-8"))["rows"]
    return next(row for row in rows if wanted.items() <= row.items())


def test_the_command_shows_several_attacks(
    wrapped: tuple[Path, Path], written: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Effects per attack and language with their intervals, an overview, both sides of each difference, other outcomes."""
    assert main(["report", str(wrapped[1]), str(written[1]), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "Lantern" not in text.replace("lantern", ""), "no prompt is on the page"
    row = effect(wrapped[1], attack="wrap:note", prompts="harmful", language="ar", outcome="complied")
    ends = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}".replace("-", "\u2212")
    shown = section(page, "success-2")
    assert {f"{100 * row['value']:+.1f}", ends} <= set(shown)
    for side in ("plain", "attacked"):
        assert row[f"{side}_low"] < row[side] < row[f"{side}_high"]
        own = f"{100 * row[f'{side}_low']:.1f} to {100 * row[f'{side}_high']:.1f}"
        assert {f"{100 * row[side]:.1f}%", own} <= set(shown)
    assert shown.count("95% interval") == 3, "the table has both rates' and the difference's"
    assert "plain answer unscored" in shown
    overview = section(page, "success-all")
    assert {"Wrapped: note", "Written in Latin letters", "cannot be told from no effect"} <= set(overview)
    assert "No number in Telugu: no pair counts there." in section(page, "result")
    assert any("irrelevant" in text.lower() for text in section(page, "others"))
    assert {"plain answer unscored", "Telugu"} <= set(section(page, "missing"))
    assert len(text.encode()) < MAX_BYTES


def test_rates_of_earlier_documents_have_no_interval(folder: Path) -> None:
    """A comparison that was written before rates had intervals still becomes a page: its rates stand alone."""

    def strip(found: dict[str, Any]) -> None:
        for row in found["rows"]:
            for side in ("plain", "attacked"):
                del row[f"{side}_low"], row[f"{side}_high"]

    row = effect(folder, attack="wrap:note", prompts="harmful", language="ar", outcome="complied")
    change(folder, strip)
    shown = section(Page(attack_report([folder]).read_text(encoding="utf-8")), "success")
    assert f"{100 * row['attacked']:.1f}%" in shown
    assert f"{100 * row['attacked_low']:.1f} to {100 * row['attacked_high']:.1f}" not in shown


def test_what_a_judge_finds_in_other_languages_has_a_chart(folder: Path) -> None:
    """Where answers in a wrong language were judged, too, success in whatever language stands beside success."""

    def add(found: dict[str, Any]) -> None:
        found["rows"] += [
            {**row, "outcome": "complied, in any language"}
            for row in found["rows"]
            if (row["attack"], row["prompts"], row["outcome"]) == ("wrap:note", "harmful", "complied")
        ]

    change(folder, add)
    page = Page(attack_report([folder]).read_text(encoding="utf-8"))
    assert "Wrapped: note: complied, in whatever language" in section(page, "success")


def test_prompts_by_meaning(written: tuple[Path, Path]) -> None:
    """The page of an attack alone counts what kept its meaning, and says by reason what was not attacked."""
    page = Page(attack_report([written[0]]).read_text(encoding="utf-8"))
    assert [a.get("id") for a in page.all("figure")] == ["made-1"]
    shown = section(page, "made-1")
    assert {"24 of 24", "0 of 24", "Not attacked"} <= set(shown)
    assert {"it is written in Latn already", "24"} <= set(section(page, "missing"))
    assert "24" in section(page, "result")


def test_texts_are_behind_buttons(wrapped: tuple[Path, Path], tmp_path: Path) -> None:
    """With --show-text both answers stand under the attacked prompt, successes first, unreadable until a button is pressed."""
    assert main(["report", str(wrapped[0]), str(wrapped[1]), "--out", str(tmp_path), "--show-text"]) == 0
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    places = [stack for said, stack in page.texts if "Blue Lantern" in said]
    assert len(places) > 5
    for stack in places:
        (veiled,) = [a for tag, a in stack if tag == "details" and a.get("class") == "veiled"]
        assert "open" not in veiled
    said = {said for said, _ in page.texts}
    assert {"plain", "attacked", "meaning kept"} <= said
    assert any(one.startswith("harmful prompt harm-") and ", wrapped: " in one for one in said)
    arabic = [one for one in section(page, "texts") if one.startswith("plain: ")]
    assert "attacked: complied" in arabic[0]


def test_one_language_and_an_attack_of_one_name_from_two_folders(tmp_path: Path) -> None:
    """One language needs no mean; two folders with the same attack are told apart by their names."""
    _, effect_folder = write_attack(tmp_path / "one", "transliterate", items=8, rates={"ar": RATES["ar"]})
    copy = tmp_path / "again"
    copy.mkdir()
    (copy / "safety.json").write_bytes((effect_folder / "safety.json").read_bytes())
    text = attack_report([effect_folder, copy], out=tmp_path).read_text(encoding="utf-8")
    assert {"Written in Latin letters", "Written in Latin letters (again)"} <= set(section(Page(text), "success-all"))
    assert "Mean over languages" not in text


def test_many_languages_keep_the_page_small(folder: Path) -> None:
    """With 150 languages the page stays below its limit, says how many it leaves out, and keeps the largest gaps."""

    def grow(found: dict[str, Any]) -> None:
        own = [row for row in found["rows"] if row["language"] == "ar"]
        found["rows"] += [{**row, "language": one.tag} for one in list(known())[:150] if one.tag not in TAGS for row in own]

    change(folder, grow)
    text = attack_report([folder]).read_text(encoding="utf-8")
    assert MAX_BYTES / 3 < len(text.encode()) < MAX_BYTES
    assert "languages are left out of the page" in text


def test_hostile_names_stay_text(folder: Path) -> None:
    """Names of attacks, models, reasons and notes full of markup are shown, not obeyed."""
    hostile = HOSTILE.replace("\ud800", "").replace("\x00", "")

    def spoil(found: dict[str, Any]) -> None:
        found["summary"]["model"] = hostile
        found["notes"].append(hostile)
        for row in found["rows"]:
            row.update(attack=hostile, left_out={hostile: 2})

    change(folder, spoil)
    page = Page(attack_report([folder]).read_text(encoding="utf-8"))
    assert not {"script", "img"} & {tag for tag, _ in page.elements}


def test_names_of_attacks_are_words() -> None:
    """Each kind has words; an attack of one's own keeps its name."""
    assert attack_label("translate:zu:back").text == "Translated into Zulu and back"
    assert attack_label("code-switch:es (two)").text == "Words switched to Spanish (two)"
    assert attack_label("shout").text == "shout"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda found: found["summary"].update(what="both"), "summary.what: 'both'"),
        (lambda found: found["rows"][1].update(low="x"), r"rows, number 2: low: 'x' found where a number"),
        (lambda found: found["rows"][0].pop("attack"), r"rows, number 1: attack: 'None' found where a text"),
        (lambda found: found.update(kind="eval"), "a document of `polylect safety eval`"),
    ],
)
def test_a_broken_document_is_refused(folder: Path, spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
    """File, place, value and rule are named, and no page is written."""
    change(folder, spoil)
    with pytest.raises(DataError, match=message):
        attack_report([folder])
    assert not (folder / "report.html").exists()


def test_folders_of_different_commands_are_refused(wrapped: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """One page is of folders of one command."""
    assert main(["report", str(wrapped[1]), str(wrapped[0].parent / "plain/out")]) == 2
    assert "one page is of folders of one command" in capsys.readouterr().err
