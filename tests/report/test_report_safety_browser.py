"""The page of safety evaluations in a real browser: it fits and reads, and texts stay unreadable until a button is pressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_browser import View, look
from report_safety_example import RATES, write_safety
from test_report_browser import DESKTOP, NARROW, PHONE, _browser, check, measure, pictures, screenshots

from polylect import report

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
    return report.safety_report([before, after], out=folder, show_text=True)


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
