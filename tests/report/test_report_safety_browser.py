"""The pages of safety in a real browser: they fit and read, and texts stay unreadable until a button is pressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_browser import View, look
from report_safety_attack_example import write_attack
from report_safety_drift_example import TODAY, write_comparison, write_drift
from report_safety_example import RATES, write_safety
from test_report_browser import DESKTOP, NARROW, PHONE, _browser, check, measure, pictures, screenshots
from test_report_safety_drift import distilled
from test_report_safety_pareto import document

from polylect import report
from polylect.report.safety_attack import attack_report
from polylect.report.safety_distil import distil_report
from polylect.report.safety_drift import drift_report
from polylect.report.safety_pareto import write_pareto
from polylect.safety.changes import compare_evaluations

__all__ = ["_browser", "screenshots"]

_PICTURES = ("result", "change-violation", "outcomes-harmful-1", "above-english", "resource-class-1", "certificate-1")
_VEIL = """(() => {
  document.querySelectorAll(".samples").forEach((part) => { part.open = true; });
  const veiled = document.querySelector(".veiled");
  const [summary, veil, text] = ["summary", ".veil", "dd"].map((name) => veiled.querySelector(name));
  const seen = () => ({ text: text.checkVisibility(), veil: veil.checkVisibility(), said: veiled.innerText });
  const closed = seen();
  summary.focus();
  const focused = document.activeElement === summary;
  summary.click();
  return { closed, focused, blur: getComputedStyle(veil).filter, opened: seen() };
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations with prompts and answers in Arabic and Hebrew among others."""
    rates = {tag: RATES[tag] for tag in ("en", "ar", "he", "hi", "te")}
    folder = tmp_path_factory.mktemp("safety")
    before = write_safety(folder / "before", items=24, rates=rates)
    after = write_safety(folder / "after", "lantern-safe-of-a-rather-long-name", items=24, safer=0.8, rates=rates)
    changes = compare_evaluations([before, after])
    return report.safety_report([before, after], out=folder, show_text=True, changes=changes)


def attacks(folder: Path) -> Path:
    """The page of two attacks, of their prompts, and of answers behind buttons."""
    rates = {tag: RATES[tag] for tag in ("en", "ar", "he", "te")}
    wrapped = write_attack(folder / "wrap", "wrap", items=8, rates=rates)
    latin = write_attack(folder / "latin", "transliterate", plain=folder / "wrap/plain/out")
    return attack_report([*wrapped, latin[1]], out=folder, show_text=True)


def courses(folder: Path) -> Path:
    """The page of a drift evaluation over three dates."""
    return drift_report(write_drift(folder), today=TODAY)


def steps(folder: Path) -> Path:
    """The page of two drift evaluations against each other."""
    return drift_report(write_comparison(folder), today=TODAY)


def rows(folder: Path) -> Path:
    """The page of a distillation."""
    return distil_report(distilled(folder, tags=("en", "ar", "he", "fa")))


def candidates(folder: Path) -> Path:
    """The page of mix or merge."""
    return write_pareto(document(("en", "ar", "he", "fr", "fa")), folder)


OTHERS = {
    "attack": (attacks, ("result", "success-all", "success-1", "pairs-1", "missing")),
    "drift": (courses, ("result", "levels", "dates-maximum", "step-1", "ages")),
    "drift-compared": (steps, ("result", "step-1")),
    "distil": (rows, ("result", "answers-harmful")),
    "mix-or-merge": (candidates, ("result", "pareto-mul", "pareto-each", "against-violation")),
}
"""What makes each of the other pages, and what a reader meets first."""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a page when it is first asked for."""
    made: dict[str, Path] = {}

    def page_of(name: str) -> Path:
        if name not in made:
            made[name] = OTHERS[name][0](tmp_path_factory.mktemp(name))
        return made[name]

    return page_of


@pytest.mark.parametrize("view", [PHONE, NARROW, DESKTOP], ids=lambda view: view.name)
@pytest.mark.parametrize("name", list(OTHERS))
def test_other_safety_pages_fit_and_read(screenshots: Path, others: Callable[[str], Path], name: str, view: View) -> None:
    """The pages of attacks, drift, distillation and mix or merge keep the same promises, with every part opened."""
    found = measure(others(name), view, pictures(screenshots, f"safety-{name}", view, OTHERS[name][1]))
    check(found, view)
    assert "ar" in {sample["lang"] for sample in found["rightToLeft"]}


@pytest.mark.parametrize("view", [PHONE, NARROW, DESKTOP], ids=lambda view: view.name)
def test_safety_page_fits_and_reads(screenshots: Path, page: Path, view: View) -> None:
    """With every part opened nothing overflows, names and texts run in their direction, text has contrast."""
    found = measure(page, view, pictures(screenshots, "safety", view, _PICTURES))
    check(found, view)
    assert {"ar", "he"} <= {sample["lang"] for sample in found["rightToLeft"]}


def test_a_text_is_unreadable_until_its_button_is_pressed(page: Path) -> None:
    """Closed, a blurred stand-in is there and the text is not, for nobody; the button takes the focus and shows the text."""
    found: dict[str, Any] = look(page, PHONE, _VEIL)
    assert found["focused"]
    assert found["blur"].startswith("blur(") or not found["opened"]["veil"]
    assert (found["closed"]["text"], found["closed"]["veil"]) == (False, True)
    assert (found["opened"]["text"], found["opened"]["veil"]) == (True, False)
    assert "Show the text" in found["closed"]["said"]
    assert "Hide the text" in found["opened"]["said"]
