"""The page of "mix or merge": the charts, the recommendation, hostile names, and documents that do not fit."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from polylect import languages
from polylect.errors import DataError
from polylect.report.page import MAX_BYTES
from polylect.report.safety_pareto import pareto_report, render_pareto, write_pareto
from polylect.report.safety_pareto_charts import against_general, pareto

POINTS = {"general": (0.9, 80.0), "safety": (0.0, 20.0), "mix-0.15": (0.5, 78.0), "linear-0.5": (0.1, 79.0)}
FAMILIES = {"general": "expert", "safety": "expert", "mix-0.15": "mix", "linear-0.5": "merge"}


def ends(value: float | None, width: float) -> dict[str, Any]:
    """Return a value with an interval around it."""
    low, high = (None, None) if value is None else (value - width, value + width)
    return {"value": value, "low": low, "high": high, "n": 20}


def row(half: str, language: str, name: str) -> dict[str, Any]:
    """Return a row of the document; in French nothing is known of violations."""
    harm, quality = POINTS[name]
    rates = dict.fromkeys(("refused", "irrelevant", "wrong_language", "over_refusal"), ends(0.1, 0.05))
    return {
        "half": half, "language": language, "candidate": name, "family": FAMILIES[name], **rates,
        "violation": ends(None if language == "fr" else harm, 0.05), "quality": ends(quality, 2.0),
        "over_general": {measure: ends(-0.1, 0.05) for measure in ("violation", "over_refusal", "quality")},
        "front": name in ("safety", "linear-0.5", "general"), "recommended": name == "linear-0.5",
    }  # fmt: skip


def document(tags: tuple[str, ...] = ("en", "fr")) -> dict[str, Any]:
    """Return a document of four candidates."""
    rows = [row(half, tag, name) for half in ("validation", "report") for tag in (*tags, "mul") for name in POINTS]
    candidates = [
        {"name": name, "family": FAMILIES[name], "method": None, "weight": None, "share": None, "share_reached": None}
        for name in POINTS
    ]
    summary = {
        "recipe": "<b>two</b>", "rule": "lowest violation rate", "recommended": "linear-0.5",
        "eligible": ["general", "linear-0.5"], "verdicts": ["linear-0.5 against general: violations -80.0 points"],
        "candidates": candidates, "languages": list(tags),
    }  # fmt: skip
    return {"schema": "polylect.safety/1", "kind": "mix-or-merge", "rows": rows, "summary": summary, "notes": ["a <i>note</i>"]}


def test_page_shows_charts_where_something_is_known(tmp_path: Path) -> None:
    """The recommendation comes first, then all languages and each that is known; what is not is said; names are escaped."""
    page = write_pareto(document(("en", "ar", "fr")), tmp_path).read_text(encoding="utf-8")
    assert 'id="pareto-mul"' in page
    assert 'id="pareto-each"' in page
    assert "Nothing is known in French." in page
    assert 'lang="ar" dir="rtl">العربية' in page
    assert "linear-0.5 is recommended" in page
    assert "Rule: lowest violation rate." in page
    assert "violations \u221280.0 points." in page
    assert "&lt;b&gt;two&lt;/b&gt;" in page
    assert "a &lt;i&gt;note&lt;/i&gt;" in page
    assert "<script" not in page
    assert page.count('class="panel"') == 2


def test_few_languages_need_no_small_charts() -> None:
    """With one known language the chart of the means is enough, and the page says what is not known."""
    page = render_pareto(document())
    assert 'id="pareto-each"' not in page
    assert "Not known in French." in page


def test_candidates_stand_against_the_general_expert() -> None:
    """Per measure one row per other candidate, the least harmful first, with the paired interval and both values."""
    violations, quality, _ = against_general(document())
    assert [row.label.text for row in violations.rows] == ["safety", "linear-0.5", "mix-0.15"]
    first = violations.rows[0].readings
    assert [(one.text, one.interval) for one in first] == [
        ("\u221210.0", "\u221215.0 to \u22125.0"),
        ("90.0% general, 0.0% candidate", ""),
    ]
    # 0.1 below the general expert's quality of 80, of 0 to 100.
    assert [one.text for one in quality.rows[0].readings][:2] == ["\u22120.1", "80.0 general, 20.0 candidate"]


def test_names_do_not_lie_on_each_other() -> None:
    """Two candidates of nearly the same value have their names a line apart."""
    found = document()
    for one in found["rows"]:
        if one["candidate"] in ("general", "safety"):
            one.update(violation=ends(0.9, 0.05), quality=ends(80.0, 2.0))
    chart = pareto(found)
    assert chart is not None
    heights = {name: float(re.search(rf'y="([\d.]+)"[^>]*>{name}<', str(chart.drawing))[1]) for name in ("general", "safety")}
    assert abs(heights["general"] - heights["safety"]) >= 13


def test_chart_draws_every_candidate_and_names_few() -> None:
    """Four marks, of which one is ringed; the line has a stroke less than the front has candidates; all are in the table."""
    chart = pareto(document(), "mul")
    assert chart is not None
    drawing = str(chart.drawing)
    assert drawing.count('class="ring reference"') == 2
    assert drawing.count("dot second") == 1
    assert drawing.count("dot main") == 1
    assert drawing.count('class="chosen"') == 1
    assert drawing.count("even dashed") == 2
    assert "mix-0.15" not in drawing
    assert ">linear-0.5<" in drawing
    assert "no other beats: safety, linear-0.5 and general." in chart.description
    assert [label.text for label, _ in chart.table.rows] == list(POINTS)
    assert chart.table.rows[0][1][0].text == "90.0 [85.0, 95.0]"


def test_many_languages_stay_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would make the page too large leaves it, and it says how many languages."""
    merges = [f"ties-{place}" for place in range(20)]
    monkeypatch.setattr(sys.modules[__name__], "POINTS", {**POINTS, **dict.fromkeys(merges, (0.3, 70.0))})
    monkeypatch.setattr(sys.modules[__name__], "FAMILIES", {**FAMILIES, **dict.fromkeys(merges, "merge")})
    page = render_pareto(document(tuple(language.tag for language in languages.known())))
    assert len(page.encode()) < MAX_BYTES
    assert page.count('class="panel"') > 20
    assert "more languages: their numbers are in candidates.parquet" in page


@pytest.mark.parametrize(("key", "value"), [("schema", "polylect.safety/9"), ("kind", "eval"), ("summary", {})])
def test_document_that_does_not_fit(key: str, value: object) -> None:
    """Another schema or kind, and a field that is missing, are told."""
    with pytest.raises(DataError, match="mix-or-merge"):
        render_pareto({**document(), key: value})


def test_report_again_from_the_folder(tmp_path: Path) -> None:
    """A folder with this kind of document gets its page; one with another kind is left to others."""
    (tmp_path / "safety.json").write_text(json.dumps(document()), encoding="utf-8")
    assert pareto_report(tmp_path) == tmp_path / "report.html"
    assert pareto_report(tmp_path / "safety.json", out=tmp_path / "page") == tmp_path / "page" / "report.html"
    (tmp_path / "safety.json").write_text(json.dumps({"kind": "eval"}), encoding="utf-8")
    assert pareto_report(tmp_path) is None
    assert pareto_report(tmp_path / "nowhere") is None
