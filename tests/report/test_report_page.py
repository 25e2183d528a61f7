"""The HTML page: well-formed, self-contained, small, readable for everyone, and safe against what models answer."""

from __future__ import annotations

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest
from report_example import LANGUAGES, SENTENCES, example

from polylect import report
from polylect.errors import DataError, LanguageError
from polylect.records import MULTIPLE
from polylect.report.page import MAX_BYTES, render

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&</span></dd>\u202eevil\u2066\x00\x1b[2J\ud800"


class Page(HTMLParser):
    """Collects elements with attributes and open ancestors, and complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, list[tuple[str, dict[str, str | None]]]]] = []
        self.feed(text)
        self.close()
        assert not self.stack, f"never closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has no content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must have this name."""
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1][0] == tag, f"</{tag}> closes <{self.stack[-1][0]}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        """Note a text with its ancestors."""
        if data.strip():
            self.texts.append((data.strip(), list(self.stack)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements called `tag`."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    """The page of the example."""
    return render(example())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """The parsed page of the example."""
    return Page(text)


def test_every_tag_is_closed_and_ids_are_unique(page: Page) -> None:
    """The page is well-formed and no id occurs twice."""
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_every_reference_inside_the_page_has_its_target(page: Page) -> None:
    """Links of the contents and names of figures and sections lead somewhere."""
    ids = {a["id"] for _, a in page.elements if "id" in a}
    wanted = {a["href"][1:] for a in page.all("a") if (a["href"] or "").startswith("#")}
    for _, a in page.elements:
        wanted |= set(f"{a.get('aria-labelledby') or ''} {a.get('aria-describedby') or ''}".split())
    assert len(wanted) > 20
    assert wanted <= ids


def test_nothing_is_loaded_and_nothing_runs(text: str, page: Page) -> None:
    """There is no script, handler, image, style sheet or font from elsewhere, and a policy forbids them."""
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if "src" in a or any(name.startswith("on") for name in a)]
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch"}
    assert "@import" not in text
    assert any("default-src 'none'" in (a.get("content") or "") for a in page.all("meta"))


def test_the_page_is_small(text: str) -> None:
    """Eight languages, ten stages and 24 samples fit below the limit with all samples shown."""
    assert len(text.encode()) < MAX_BYTES
    assert text.count("<article>") == 3 * len(LANGUAGES)


def test_long_answers_are_cut_with_a_remark() -> None:
    """Answers of 50,000 characters keep the page below the limit; how much is missing is said."""
    data = example()
    long = "की" * 25_000
    samples = [dataclasses.replace(s, answers=dict.fromkeys(s.answers, long)) for s in data.samples] * 2
    text = render(dataclasses.replace(data, samples=samples))
    assert len(text.encode()) < MAX_BYTES
    assert "49300 more characters in report.json" in text
    assert re.search(r"[3-6] more in report\.json", text)


def test_hostile_text_stays_text() -> None:
    """Markup, quotes, control and direction characters in any text of the run neither act nor hide."""
    data = example()
    stages = [dataclasses.replace(s, title=s.title + HOSTILE, model=HOSTILE, note=HOSTILE) for s in data.stages]
    samples = [
        dataclasses.replace(s, prompt=HOSTILE, kind=HOSTILE, references=(HOSTILE,), answers=dict.fromkeys(s.answers, HOSTILE))
        for s in data.samples
    ]
    routes = [dataclasses.replace(r, model=r.model + HOSTILE) for r in data.routes]
    assets = [report.Asset(HOSTILE, "model", HOSTILE, HOSTILE, HOSTILE, "javascript:alert(1)")]
    hostile = {"title": HOSTILE, "description": HOSTILE, "machine": HOSTILE, "created": HOSTILE, "notes": [HOSTILE]}
    tables = {"drops": {HOSTILE: 1}, "settings": {HOSTILE: HOSTILE}}
    text = render(dataclasses.replace(data, stages=stages, samples=samples, routes=routes, assets=assets, **hostile, **tables))
    page = Page(text)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert not [a for a in page.all("a") if (a["href"] or "").startswith("javascript")]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert "⟨U+202E⟩evil" in text


def test_text_of_a_language_carries_tag_and_direction(page: Page) -> None:
    """Every question and answer stands in an element with its own `lang` and `dir`; Arabic is right-to-left."""
    for tag, (prompt, right, _) in SENTENCES.items():
        direction = "rtl" if tag == "ar" else "ltr"
        for wanted in (prompt, right):
            holders = [stack[-1][1] for found, stack in page.texts if found == wanted]
            assert holders, wanted
            if tag in {"ar", "ru", "hi", "zh-Hans"}:
                assert {(h.get("lang"), h.get("dir")) for h in holders} == {(tag, direction)}
    names = {stack[-1][1].get("lang"): stack[-1][1].get("dir") for found, stack in page.texts if found == "العربية"}
    assert names == {"ar": "rtl"}


def test_right_and_wrong_are_said_in_words(page: Page) -> None:
    """A verdict is text, not only a colour, and comes from the evaluation: an answer without one shows none."""
    words = {found for found, stack in page.texts if (stack[-1][1].get("class") or "").startswith("verdict")}
    assert words == {"right", "not an exact match"}
    unjudged = [dataclasses.replace(s, correct={"online_dpo_2": None}) for s in example().samples]
    text = render(dataclasses.replace(example(), samples=unjudged))
    assert text.count("not scored") == len(unjudged)
    assert "not an exact match" not in text


def test_the_page_can_be_walked_by_keyboard_and_screen_reader(page: Page) -> None:
    """Landmarks, a skip link, one h1, no jump between heading levels, captions, and a scrollable region for every table."""
    tags = [tag for tag, _ in page.elements]
    assert all(tags.count(tag) == 1 for tag in ("header", "nav", "main", "footer", "h1", "title"))
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert tags.count("caption") == tags.count("table") > 8
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(regions) == tags.count("table")
    assert all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in regions)
    assert all(a.get("aria-hidden") == "true" or a.get("x") or a.get("viewbox") for a in page.all("svg"))
    assert tags.count("figure") == 6
    assert all(a["aria-labelledby"] and a["aria-describedby"] for a in page.all("figure"))
    assert page.all("html") == [{"lang": "en"}]


def test_numbers_are_shown_as_they_were_given() -> None:
    """A macro average that contradicts its languages is shown as it is: the page computes none of its own."""
    data = example()
    final = data.final_stage
    wins = [
        dataclasses.replace(c, win_rate=0.4321, low=0.4111, high=0.4561)
        if (c.a, c.b, c.language) == (final, "base", MULTIPLE)
        else c
        for c in data.comparisons
    ]
    match = [
        dataclasses.replace(s, value=0.8762) if (s.stage, s.metric, s.scope) == (final, "exact_match", "macro") else s
        for s in data.summaries
    ]
    gap = [dataclasses.replace(d, value=-0.0352, low=-0.0511, high=0.0099) for d in data.differences]
    text = render(dataclasses.replace(data, comparisons=wins, summaries=match, differences=gap))
    assert "on 43.2% of held-out prompts (95% interval 41.1 to 45.6;" in text
    assert "87.6% (" in text
    assert "by −3.5 points; 95% interval −5.1 to 1.0, which includes zero." in text


def test_the_headline_names_languages_that_did_not_improve() -> None:
    """A language whose interval reaches 50% is named, and stages that were not kept are said to be so."""
    data = example()
    wins = [
        dataclasses.replace(c, low=0.49) if (c.a, c.b) == (data.final_stage, "base") and c.language in {"hi", "ar"} else c
        for c in data.comparisons
    ]
    text = render(dataclasses.replace(data, comparisons=wins))
    assert "above 50% in 6 of 8 languages; not so in Hindi and Arabic." in text
    assert "Online DPO, iteration 3 was not kept: the held-out win rate fell from 71.0% to 69.6%." in text


def test_what_was_not_measured_is_shown_as_missing() -> None:
    """A run without comparisons, routing, samples and costs still gives a whole page."""
    bare = dataclasses.replace(
        example(), summaries=[], comparisons=[], differences=[], routes=[], samples=[], steps=[], assets=[], drops={}, settings={}
    )
    page = Page(render(bare))
    words = " ".join(found for found, _ in page.texts)
    assert "Online DPO, iteration 2 was not compared with Base, zero-shot." in words
    assert "This run has no routing." in words
    assert "nan" not in words.lower().split()


def test_unscored_answers_are_listed() -> None:
    """A summary with unscored answers appears in the table of what has no score."""
    data = example()
    summaries = [
        dataclasses.replace(s, unscored=17) if (s.stage, s.metric, s.language) == ("sft", "exact_match", "tr") else s
        for s in data.summaries
    ]
    page = Page(render(dataclasses.replace(data, summaries=summaries)))
    assert "17" in {found for found, _ in page.texts}
    assert "Every answer has a score." not in {found for found, _ in page.texts}


def test_an_unknown_stage_or_language_is_refused() -> None:
    """A role that names no stage, or a tag that names no language, is an error that names it."""
    with pytest.raises(DataError, match=r"'online_dpo_9' is named but not listed.*Did you mean 'online_dpo_"):
        render(dataclasses.replace(example(), final_stage="online_dpo_9"))
    with pytest.raises(LanguageError, match="xx"):
        render(dataclasses.replace(example(), languages=("en", "xx")))
