"""The pages in a real browser: nothing overflows, right-to-left text runs right to left, every picture has its table."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from report_browser import CHROMIUM, Shot, View, look
from report_example import example
from report_gap_example import coverage, performance, survey, tokenizer

from polylect import report

REQUIRED = "POLYLECT_REQUIRE_BROWSER"
PHONE = View("phone", 390, 844, phone=True)
NARROW = View("narrow", 320, 640, phone=True, scheme="dark")
DESKTOP = View("desktop", 1280, 900)
MEASURE = (Path(__file__).parent / "report_measure.js").read_text(encoding="utf-8")
# What a reader of the gap meets first, then each picture.
GAP_PICTURES = (
    "result",
    "coverage",
    "coverage-people",
    "cost",
    "cost-scripts",
    "cost-spoken",
    "performance-1-slope",
    "survey-years",
)


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    """Skip, with the way out, where there is no browser; fail where one was promised."""
    if CHROMIUM is None:
        reason = "chromium is not installed: apt-get install chromium fonts-noto-core"
        assert not os.environ.get(REQUIRED), reason
        pytest.skip(reason)


@pytest.fixture(scope="module")
def gap_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of all four kinds of documents, with 100 languages and three tokenizers."""
    folder = tmp_path_factory.mktemp("gap")
    costs = tokenizer(names=("wide-bpe", "narrow-unigram-of-a-long-name", "bytes"), extra=80)
    return report.write_gap([costs, coverage(), performance(), survey()], folder)[0]


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the example run, which has answers in Arabic."""
    return report.write(example(), tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def screenshots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept for the developer: .pytest_cache/d/screenshots."""
    cache = getattr(request.config, "cache", None)
    return Path(cache.mkdir("screenshots")) if cache else tmp_path_factory.mktemp("screenshots")


def measure(page: Path, view: View, shots: Sequence[Shot] = ()) -> dict[str, Any]:
    """Open a page, take pictures, then open all its parts and measure it."""
    found: dict[str, Any] = look(page, view, f"({MEASURE})({view.width})", shots)
    return found


def pictures(folder: Path, page: str, view: View, anchors: tuple[str, ...]) -> list[Shot]:
    """One screenshot per anchor of the page."""
    scroll = "document.getElementById('{}').scrollIntoView()"
    return [Shot(folder / f"{page}-{view.name}-{anchor}.png", scroll.format(anchor)) for anchor in anchors]


def check(found: dict[str, Any], view: View) -> None:
    """What holds for every page at every size."""
    assert found["wide"] == []
    assert found["across"] <= view.width
    assert found["pale"] == [], "text below a contrast of 4.5 (WCAG 2.2, 1.4.3)"
    assert found["figures"]
    assert [figure for figure in found["figures"] if not figure["rows"] or not figure["title"]] == []
    assert found["unreachable"] == []
    assert found["twice"] == []
    assert found["dead"] == []
    assert found["skips"], "the skip link does not show when it has the focus"
    assert found["jumps"] == 0
    assert found["loaded"] == 0
    samples = found["rightToLeft"]
    assert len(samples) >= 3
    assert {sample["direction"] for sample in samples} == {"rtl"}
    assert [sample for sample in samples if not sample["runs"]] == []


@pytest.mark.parametrize("view", [PHONE, NARROW, DESKTOP], ids=lambda view: view.name)
def test_gap_page_fits_and_reads(screenshots: Path, gap_page: Path, view: View) -> None:
    """With every part opened nothing overflows, names run in their direction, every picture has a table, text has contrast."""
    shots = pictures(screenshots, "gap", view, GAP_PICTURES)
    found = measure(gap_page, view, shots)
    check(found, view)
    assert {"ar", "fa", "he", "ur"} <= {sample["lang"] for sample in found["rightToLeft"]}
    assert len(found["figures"]) >= 9
    for shot in shots:
        picture = shot.path.read_bytes()
        scale = 2 if view.phone else 1
        assert struct.unpack(">II", picture[16:24]) == (scale * view.width, scale * view.height)
        assert len(picture) > 20_000, f"{shot.path}: hardly anything is drawn"


@pytest.mark.parametrize("view", [PHONE, DESKTOP], ids=lambda view: view.name)
def test_run_page_fits_and_reads(screenshots: Path, run_page: Path, view: View) -> None:
    """The page of a run keeps the same promises, with Arabic questions and answers laid out from the right."""
    found = measure(run_page, view, pictures(screenshots, "run", view, ("result", "samples")))
    check(found, view)
    assert sum(len(sample["text"]) > 15 for sample in found["rightToLeft"]) >= 3


def test_measurement_can_fail(tmp_path: Path) -> None:
    """A page that overflows, runs Arabic from the left, draws without a table and writes in pale grey is found out."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><body><h1>x</h1><h3>jump</h3>"
        "<p style='width:900px;color:#aaa'>wide</p><p dir=rtl style='direction:ltr;unicode-bidi:bidi-override'>مرحبا</p>"
        "<figure id=f></figure><div class=scroll id=f></div><a href='#nowhere'>x</a></body>",
        encoding="utf-8",
    )
    found = measure(page, PHONE)
    assert found["wide"]
    assert found["pale"]
    assert found["unreachable"]
    assert found["twice"] == ["f"]
    assert found["dead"] == ["nowhere"]
    assert found["jumps"] == 1
    assert found["figures"] == [{"id": "f", "rows": 0, "title": ""}]
    assert found["rightToLeft"][0]["direction"] == "ltr"
    assert found["rightToLeft"][0]["runs"] is False
