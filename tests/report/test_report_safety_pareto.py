"""The page of "mix or merge": the charts, the recommendation, hostile names, and documents that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polylect import languages
from polylect.errors import DataError
from polylect.report.page import MAX_BYTES
from polylect.report.safety_pareto import pareto, pareto_report, render_pareto, write_pareto

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
    """All languages and English have a chart, French has none; the recommendation and its rule come first; names are escaped."""
    page = write_pareto(document(), tmp_path).read_text(encoding="utf-8")
    assert 'id="pareto-mul"' in page
    assert 'id="pareto-en"' in page
    assert 'id="pareto-fr"' not in page
    assert "linear-0.5 is recommended" in page
    assert "Rule: lowest violation rate." in page
    assert "&lt;b&gt;two&lt;/b&gt;" in page
    assert "a &lt;i&gt;note&lt;/i&gt;" in page
    assert "<script" not in page


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
    assert [label.text for label, _ in chart.table.rows] == list(POINTS)
    assert chart.table.rows[0][1][0].text == "90.0 [85.0, 95.0]"


def test_many_languages_stay_below_the_limit() -> None:
    """What would make the page too large leaves it, and it says how many languages."""
    page = render_pareto(document(tuple(language.tag for language in languages.known())))
    assert len(page.encode()) < MAX_BYTES
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
