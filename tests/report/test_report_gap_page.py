"""The page of the language gap: complete, self-contained, small, and safe against what documents say."""

from __future__ import annotations

import copy
import csv
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_gap_example import LEVELS, SOME, coverage, performance, survey, tokenizer

from polylect import report
from polylect.errors import DataError
from polylect.report.gap_labels import language, people, script_name
from polylect.report.gap_metrics import COLUMNS, metrics_csv
from polylect.report.gap_page import render_gap
from polylect.report.gap_scale import LogScale
from polylect.report.gap_units import Unit
from polylect.report.page import MAX_BYTES

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "<script>alert(1)</script>\"'&</td>\u202eevil\x00"


class Page(HTMLParser):
    """Elements with their attributes and the text of each cell; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must have this name."""
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements called `tag`."""
        return [attributes for name, attributes in self.elements if name == tag]


def everything() -> list[dict[str, Any]]:
    """One document of each kind."""
    return [survey(), performance(), tokenizer(), coverage()]


def test_page_has_a_section_per_document_and_what_is_missing() -> None:
    """Sections stand in a fixed order whatever the order of documents, then what is missing, then the sources."""
    page = Page(render_gap(everything()))
    sections = [section["id"] for section in page.all("section")]
    assert sections == ["result", "coverage", "cost", "performance", "survey", "missing", "sources"]
    links = [link["href"] for link in page.all("a") if str(link["href"]).startswith("#")]
    assert links == ["#main", *(f"#{name}" for name in sections)]
    text = " ".join("".join(page.words).split())
    assert "Mitigated: no evidence in any of the 20 claimed languages." in text
    assert "Not resolved to a language: “Klingon” in README.md:12" in text
    assert "no answer found: 4" in text
    assert "Never named: 103 of the 123 languages" in text
    assert "A note of the survey document." in text


def test_page_loads_nothing_and_runs_nothing() -> None:
    """There is no script, no style sheet, image or font from elsewhere, and the content policy forbids them."""
    page = Page(render_gap(everything()))
    names = {name for name, _ in page.elements}
    assert not names & {"script", "link", "img", "iframe", "object"}
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert not [attributes for _, attributes in page.elements if any(str(name).startswith("on") for name in attributes)]


def test_every_picture_has_title_description_and_table() -> None:
    """A figure names its heading and its description, and holds a table; drawings are hidden from screen readers."""
    text = render_gap([tokenizer(names=("a", "b"), extra=70), coverage(), performance(), survey()])
    page = Page(text)
    ids = {attributes.get("id") for _, attributes in page.elements}
    figures = page.all("figure")
    assert len(figures) >= 9
    for figure in figures:
        assert {figure["aria-labelledby"], figure["aria-describedby"]} <= ids
    for part in text.split("<figure")[1:]:
        assert "<table" in part.partition("</figure>")[0]
    assert {drawing["aria-hidden"] for drawing in page.all("svg")} == {"true"}


def test_languages_stand_in_their_own_script_and_direction() -> None:
    """Own names carry language and direction; of a language beyond the table CLDR's name is shown if its script fits."""
    page = Page(render_gap([coverage(["ar", "he", "hi"])]))
    assert {name["lang"]: name.get("dir") for name in page.all("bdi")} == {"ar": "rtl", "he": "rtl", "hi": None}
    assert language("dv", "Maldivian", "Thaa").direction == "rtl"
    assert language("dv", "Maldivian", "Thaa").native == "ދިވެހިބަސް"
    assert language("ug-Latn", "Uyghur (Latin)", "Latn").native == ""
    assert language("x-none", "Nobody's").text == "Nobody's"
    assert script_name("Deva") == "Devanagari"


def test_blank_is_visible_and_said() -> None:
    """A level without evidence is a hatched cell that a screen reader hears as such."""
    document = coverage(["yo"])
    page = render_gap([document])
    states = [row["state"] for row in document["rows"]]
    assert page.count('<td class="blank"><i>no evidence</i></td>') == states.count("")
    assert page.count('<td class="stated">') == states.count("stated")
    assert len(states) == len(LEVELS)


@pytest.mark.parametrize("tokenizers", [1, 5])
def test_page_of_460_languages_stays_small(tmp_path: Path, tokenizers: int) -> None:
    """With 460 languages and five tokenizers, and everything else beside it, the file is below the limit and shows them all."""
    names = [f"a-tokenizer-of-size-{n}" for n in range(tokenizers)]
    documents = [tokenizer(names=names, extra=440), coverage(), performance(), survey()]
    path = report.write_gap(documents, tmp_path)[0]
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < MAX_BYTES
    assert text.count("<td>qaz</td>") == 1
    assert "Language qaz" in text
    assert Page(text)


def test_page_too_large_loses_tables_not_languages() -> None:
    """Where even that is too large, pictures of all languages go before the table of all languages does."""
    text = render_gap([tokenizer(names=[f"tokenizer-{n}" for n in range(9)], extra=560)])
    assert len(text.encode()) < MAX_BYTES
    assert text.count("<td>qaz</td>") == 1


def test_hostile_text_is_shown_not_obeyed() -> None:
    """Names, notes and quotes of documents are escaped, and what could reorder or hide text is written out."""
    documents = copy.deepcopy(everything())
    for document in documents:
        document["notes"].append(HOSTILE)
        for row in document["rows"]:
            row |= {key: HOSTILE for key in ("name", "title", "model", "benchmark", "tokenizer", "script") if key in row}
            row["evidence"] = [HOSTILE] if row.get("evidence") else []
    for fact in documents[2]["summary"]["tokenizers"]:
        fact["name"] = HOSTILE
    for group in documents[1]["summary"]["groups"]:
        group |= {"model": HOSTILE, "benchmark": HOSTILE}
    documents[1]["summary"]["groups"] = documents[1]["summary"]["groups"][:1]
    page = render_gap(documents)
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "⟨U+202E⟩evil" in page
    assert Page(page)


def test_wrong_documents_are_refused() -> None:
    """Nothing to show, another schema, an unknown kind or a lacking field is a data error that says what to do."""
    with pytest.raises(DataError, match="no document to report"):
        render_gap([])
    with pytest.raises(DataError, match="kind 'weather'"):
        render_gap([{**coverage(), "kind": "weather"}])
    with pytest.raises(DataError, match=r"expected schema 'polylect.gap/1'"):
        render_gap([{**coverage(), "schema": "polylect.gap/9"}])
    broken = coverage()
    del broken["summary"]["levels"]
    with pytest.raises(DataError, match=r"levels.*Write it again"):
        render_gap([broken])


def test_two_documents_of_a_kind_have_sections_of_their_own() -> None:
    """The ids of the second do not repeat those of the first."""
    page = Page(render_gap([coverage(["en"]), coverage(["tr", "sw"])]))
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {"coverage", "coverage-2"} <= set(ids)


def test_metrics_have_one_row_per_language_and_metric() -> None:
    """In metrics.csv a language and metric of a subject is one row; what was not measured is an empty value."""
    costs = tokenizer(["en", "ar"])
    costs["rows"][1]["fertility"] = None
    rows = list(csv.DictReader(io.StringIO(metrics_csv([costs, coverage(["ar"]), performance(["en", "ar"]), survey()]))))
    assert tuple(rows[0]) == COLUMNS
    keys = [(row["kind"], row["subject"], row["language"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys))
    found = {key[2:]: row for key, row in zip(keys, rows, strict=True) if key[0] == "tokenizer"}
    assert float(found["ar", "premium"]["value"]) == costs["rows"][1]["premium"]
    assert found["ar", "fertility"]["value"] == ""
    levels = {row["metric"]: row["note"] for row in rows if row["kind"] == "coverage"}
    assert set(levels) == set(LEVELS)
    assert levels["mitigated"] == "blank"
    scores = [row for row in rows if row["kind"] == "performance" and row["metric"] == "gap_english" and row["language"] == "ar"]
    assert len(scores) == 2
    assert all(float(row["low"]) < float(row["value"]) < float(row["high"]) for row in scores)


def test_logarithmic_axis_gives_equal_ratios_equal_lengths() -> None:
    """From 1 to 2 is as far as from 5 to 10; the axis holds 1 and every value, and has round ticks."""
    scale = LogScale.around([0.82, 22.9, None, float("nan")])
    assert scale.at(2) - scale.at(1) == pytest.approx(scale.at(10) - scale.at(5))
    assert scale.low <= 0.82
    assert scale.high >= 22.9
    assert scale.ticks == (1, 2, 5, 10, 20)
    assert LogScale.around([]).ticks[0] <= 1


def test_numbers_are_written_in_their_unit() -> None:
    """Shares are percentages, chrF stays as it is, differences are signed with a minus, people are rounded."""
    share, hundred = Unit.of([0, 1]), Unit.of([0.0, 100.0])
    assert share.value(0.625) == "62.5%"
    assert share.difference_ends(-0.01, 0.032) == "\u22121.0 to 3.2"
    assert hundred.value(18.7) == "18.7"
    assert share.difference(-0.0001) == "0.0"
    assert share.value(None) == "–"
    assert [people(n) for n in (1_730_000_000, 82_400_000, 4300, None)] == [
        "1.73 billion",
        "82.4 million",
        "4\u202f300",
        "unknown",
    ]


def test_small_corpus_shows_all_languages_at_once() -> None:
    """With few languages there is one picture of them all, and nothing is folded but the tables."""
    page = Page(render_gap([tokenizer(SOME)]))
    names = [figure["id"] for figure in page.all("figure")]
    assert names == ["cost-scripts", "cost-all"]
    assert not [part for part in page.all("details") if part.get("class") == "dots-group"]
