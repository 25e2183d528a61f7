"""The parts that pages and pictures are made of: positions, numbers in words, predecessors, the picture."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from report_example import example

from polylect import report
from polylect.report import numerals, routing, svg, win_charts
from polylect.report.hostile import visible
from polylect.report.lookup import Lookup


def test_a_scale_covers_all_values_with_round_ticks() -> None:
    """The axis begins and ends at a tick, holds every value and has few ticks."""
    scale = svg.Scale.cover([0.472, None, 0.731, float("nan")])
    assert scale.ticks == (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75) or scale.ticks == (0.4, 0.5, 0.6, 0.7, 0.8)
    assert (scale.at(scale.low), scale.at(scale.high)) == (0, 100)
    assert scale.at(-5) == 0


def test_a_scale_of_one_value_or_none_is_still_a_scale() -> None:
    """Equal values and missing values do not divide by zero."""
    assert svg.Scale.cover([0.5]).high > svg.Scale.cover([0.5]).low
    assert svg.Scale.cover([]).ticks[0] == 0


def test_marks_stand_where_their_values_are() -> None:
    """A value in the middle of the axis is drawn at half the width."""
    scale = svg.Scale(0.4, 0.8, (0.4, 0.6, 0.8))
    assert 'cx="50%"' in svg.dot(scale, 0.6, y=5, kind="main")
    assert 'x1="25%"' in svg.interval(scale, 0.5, 0.7, y=5, kind="main")
    assert svg.interval(scale, None, 0.7, y=5, kind="main") == ""


def test_text_in_a_drawing_is_escaped() -> None:
    """Markup and control characters in a label stay text."""
    assert svg.element("text", "<a&b>\x00", x="1%") == '<text x="1%">&lt;a&amp;b&gt;⟨U+0000⟩</text>'


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numerals.percent(0.1234), "12.3%"),
        (numerals.percent(None), "–"),
        (numerals.metric("chrf", 34.56), "34.6"),
        (numerals.points(0.0321), "+3.2"),
        (numerals.points(-0.0001), "0.0"),
        (numerals.points(-0.01), "−1.0"),
        (numerals.interval(0.101, 0.1449), "10.1 to 14.5"),
        (numerals.interval(None, 0.1), ""),
        (numerals.duration(59.96), "1 min 00 s"),
        (numerals.duration(7384), "2 h 03 min"),
        (numerals.size(1_234_000_000), "1.2 GB"),
        (numerals.count(1234567), "1\u202f234\u202f567"),
    ],
)
def test_numbers_in_words(written: str, expected: str) -> None:
    """Shares are percentages with one decimal; units follow the size; what is missing is a dash."""
    assert written == expected


def test_a_stage_that_was_not_kept_is_nobodys_predecessor() -> None:
    """The predecessor is what a stage was compared with, not the line above it."""
    data = example()
    dropped = [dataclasses.replace(s, kept=s.name != "online_dpo_1") for s in data.stages]
    wins = [c for c in data.comparisons if (c.a, c.b) != ("online_dpo_2", "online_dpo_1")]
    wins += [
        dataclasses.replace(c, b="offline_dpo_merged", id="")
        for c in data.comparisons
        if (c.a, c.b) == ("online_dpo_2", "online_dpo_1")
    ]
    look = Lookup(dataclasses.replace(data, stages=dropped, comparisons=wins))
    assert look.previous("online_dpo_2") == "offline_dpo_merged"
    assert look.previous("sft") == "base"
    assert look.previous("five_shot") is None


def test_a_stage_that_was_not_kept_is_drawn_and_named_so() -> None:
    """The chart hatches it, its label says it in words, and the small charts show it hollow."""
    look = Lookup(example())
    last = win_charts.win_rates(look).rows[-1]
    assert last.label.badge == "not kept"
    assert "bar dropped" in last.strip
    assert "ring dropped" in win_charts.languages_by_stage(look).panels[0].drawing


def test_shares_of_a_language_fill_the_bar() -> None:
    """Segments follow each other without gap, each with the letter of its teacher where it fits."""
    chart = routing.shares(Lookup(example()))
    assert len(chart.rows) == 9
    boxes = ElementTree.fromstring(str(chart.rows[0].strip)).findall("rect")  # noqa: S314 - our own output
    ends = [(float(box.get("x", "")[:-1]), float(box.get("width", "")[:-1])) for box in boxes]
    assert ends[0][0] == 0
    assert sum(ends[-1]) == pytest.approx(100, abs=0.1)
    assert chart.legend[0].text == "east"


def test_direction_marks_of_honest_text_stay() -> None:
    """RLM and line feeds pass, an override is written out."""
    assert visible("a\u200fb\nc") == "a\u200fb\nc"
    assert visible("a\u202eb") == "a⟨U+202E⟩b"


def test_the_picture_stands_alone(tmp_path: Path) -> None:
    """It is XML with title and description, has a white ground, loads nothing, and shows every stage's numbers."""
    path = report.picture(example(), tmp_path / "docs" / "picture.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - our own output
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text or "" for element in root.iter(f"{space}text")]
    assert root.find(f"{space}title").text == "Win rate after each step"
    assert "Online DPO, iteration 2: " in root.find(f"{space}desc").text
    assert root.find(f"{space}rect").get("fill") == "#fff"
    look = Lookup(example())
    assert {numerals.percent(look.win_base(stage.name).win_rate) for stage in look.recipe} <= set(texts)
    assert "not kept" in texts
    assert not [e for e in root.iter() if any("href" in name for name in e.attrib)]


def test_titles_in_the_picture_are_broken_not_overrun(tmp_path: Path) -> None:
    """A long title takes two lines and ends with an ellipsis."""
    data = example()
    stages = [dataclasses.replace(s, title="A very long title of a stage " * 4) for s in data.stages]
    root = ElementTree.fromstring(report.picture(dataclasses.replace(data, stages=stages), tmp_path / "p.svg").read_text())  # noqa: S314
    heads = [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text") if e.get("x") == "16"]
    assert max(len(text) for text in heads[2:]) <= 30
    assert any(text.endswith("…") for text in heads)
