"""Charts of a merge: heat maps, gain and loss per language, the evaluations of a search."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_merge_example import LANGUAGES, search_differences, search_trials, write_merge

from polylect.records import MULTIPLE, Difference, Trial
from polylect.report import merge_gain, merge_heat, merge_trials
from polylect.report.merge_data import MergeStep, merge_step
from polylect.report.merge_gain import Names
from polylect.report.numerals import percent
from polylect.report.views import Chart

NAMES = Names("g", "Gain", "What was gained.", "Best input")


def read(folder: Path, models: tuple[str, ...], layers: int, **options: object) -> MergeStep:
    """A merge, written and read back."""
    step = merge_step(write_merge(folder, models, layers, **options), "sft", "SFT", {})
    assert step is not None
    return step


def cells(chart: Chart, row: int) -> list[tuple[float, float, str, float]]:
    """(start, width, hue, strength) of every coloured cell of a row, from left to right."""
    found = []
    strip = ElementTree.fromstring(str(chart.rows[row].strip))  # noqa: S314 - our own output
    for path in strip.iter("path"):
        hue = (path.get("class") or "").split()[1]
        for start, width in re.findall(r"M([\d.]+) 0h([\d.]+)v1", path.get("d") or ""):
            found.append((float(start), float(width), hue, float(path.get("fill-opacity") or 0)))
    return sorted(found)


def test_every_layer_and_the_rest_have_a_cell(tmp_path: Path) -> None:
    """Eighteen layers stand side by side; what lies in no layer stands apart at the end; the number stands in the cell."""
    step = read(tmp_path, ("west", "east"), 18)
    chart = merge_heat.sign_conflicts(step, "m")
    assert [row.label.text for row in chart.rows] == ["west", "east"]
    found = cells(chart, 0)
    assert len(found) == 19
    assert [start for start, *_ in found[:18]] == list(range(18))
    assert found[18][0] > 18
    assert found[18][1] > 1
    first = next(row for row in step.inputs if (row.model, row.layer) == ("west", 0))
    assert f">{100 * (first.sign_conflict or 0):.0f}</text>" in chart.rows[0].strip
    assert chart.style == "heat some"
    assert "rest" in chart.axis


def test_a_stronger_value_has_a_stronger_shade(tmp_path: Path) -> None:
    """Shades follow the values in order; of signed values the hue says the sign."""
    step = read(tmp_path, ("west", "east", "south"), 6)
    values = [row.sign_conflict for row in step.inputs if row.model == "south" and row.layer >= 0]
    strengths = [strength for *_, strength in cells(merge_heat.sign_conflicts(step, "m"), 2)][:6]
    order = sorted(range(6), key=lambda n: values[n] or 0)
    assert [strengths[n] for n in order] == sorted(strengths)
    chart = merge_heat.cosine_pairs(step, "m")
    for number, row in enumerate(chart.rows):
        pair = tuple(row.label.text.split(" · "))
        own = {p.layer: p.cosine for p in step.pairs if (p.model, p.other) == pair}
        hues = [hue for *_, hue, _ in cells(chart, number)]
        assert hues == ["cold" if (own[layer] or 0) >= 0 else "warm" for layer in (0, 1, 2, 3, 4, 5, -1)]


def test_what_was_not_measured_is_hatched(tmp_path: Path) -> None:
    """A layer without a value, where nothing changed, is neither pale nor zero: it is hatched, and a dash in the table."""
    step = read(tmp_path, ("west", "east"), 3)
    gone = tuple(replace(row, square_task=0.0, nonzero=0.0) if row.layer == 1 else row for row in step.inputs)
    chart = merge_heat.sign_conflicts(replace(step, inputs=gone), "m")
    assert [start for start, *_ in cells(chart, 0)][:2] == [0, 2]
    assert chart.rows[0].strip.count("cell none") == 1
    assert chart.legend[1].text == "Nothing changed, or not measured"
    assert chart.table.rows[1][1][0].text == "–"


def test_the_table_holds_the_numbers_of_the_map(tmp_path: Path) -> None:
    """Behind a map stand all its values, one row per layer, and the whole model in the last."""
    step = read(tmp_path, ("west", "east"), 18)
    table = merge_heat.sign_conflicts(step, "m").table
    assert [label.text for label, _ in table.rows] == [*map(str, range(18)), "rest", "All layers"]
    by_layer = {row.layer: row for row in step.inputs if row.model == "east"}
    assert [line[1].text for _, line in table.rows[:18]] == [percent(by_layer[n].sign_conflict) for n in range(18)]


def test_a_large_merge_stays_readable(tmp_path: Path) -> None:
    """Eight inputs of 80 layers: every cell is drawn, numbers are left to the table, and that takes layers together."""
    step = read(tmp_path, tuple("abcdefgh"), 80, size=20)
    pairs = merge_heat.cosine_pairs(step, "m")
    assert len(pairs.rows) == 28
    assert all(len(cells(pairs, row)) == 81 for row in range(28))
    assert "<text" not in pairs.rows[0].strip
    assert pairs.style == "heat many"
    assert len(pairs.table.rows) * 28 < 800
    assert pairs.table.rows[0][0].text == "0 to 3"
    assert "4 layers taken together" in pairs.table.caption
    assert len(merge_heat.sign_conflicts(step, "m").table.rows) == 82


def test_of_too_many_pairs_the_most_opposed_are_shown(tmp_path: Path) -> None:
    """Nine inputs make 36 pairs: the 28 with the lowest cosine are shown, and the map says so."""
    step = read(tmp_path, tuple("abcdefghi"), 2, size=20)
    chart = merge_heat.cosine_pairs(step, "m")
    assert len(chart.rows) == merge_heat.MAX_PAIRS
    assert "Of 36 pairs the 28 with the lowest cosine are shown" in chart.description
    shown = [float(row.readings[0].text.replace("\u2212", "-")) for row in chart.rows]
    assert shown == sorted(shown)


def test_without_a_base_there_are_only_distances(tmp_path: Path) -> None:
    """A merge without a base has no task vectors; the one map it gets says why."""
    step = read(tmp_path, ("west", "east"), 4, base=False)
    (chart,) = merge_heat.maps(step, "m")
    assert chart.name == "m-distance"
    assert "no base" in chart.description
    assert len(merge_heat.maps(read(tmp_path / "based", ("west", "east"), 4), "m")) == 3


def difference(language: str, value: float, b: str = "east", half: float = 0.02) -> Difference:
    """A difference of exact match between the merge and one input."""
    return Difference(
        a="sft", b=b, metric="exact_match", language=language, value=value, low=value - half, high=value + half, n=50
    )


def test_the_best_input_is_the_one_hardest_to_beat() -> None:
    """Of several inputs each language takes the one with the lowest difference, and it is said that there was a choice."""
    rows = [difference("tr", 0.10, "west"), difference("tr", -0.05, "east"), difference("ar", 0.01, "west")]
    best, chosen = merge_gain.best_inputs(rows, "sft", "exact_match")
    assert {row.language: row.b for row in best} == {"tr": "east", "ar": "west"}
    assert chosen
    assert merge_gain.best_inputs(rows, "other", "exact_match") == ([], False)


def test_gains_come_first_and_losses_are_told_by_colour_and_words() -> None:
    """Languages stand by gain; blue gains, orange loses, grey is undecided; all languages stand last."""
    rows = [difference("ar", -0.08), difference("tr", 0.09), difference("hi", 0.01), difference(MULTIPLE, 0.005)]
    chart = merge_gain.gains(rows, NAMES)
    assert chart is not None
    assert [row.label.text for row in chart.rows] == ["Turkish", "Hindi", "Arabic", "All languages"]
    assert [row.readings[0].kind for row in chart.rows] == ["main", "reference", "second", "reference"]
    assert chart.rows[2].label.direction == "rtl"
    assert chart.rows[2].label.native == "العربية"
    assert [key.text for key in chart.legend] == ["Gains", "Loses", "The interval includes zero"]
    assert merge_gain.gains([], NAMES) is None


def test_regret_is_what_is_lost() -> None:
    """Regret is the loss in points, 0 for a language that gains, marked where the interval lies below zero."""
    chart = merge_gain.gains([difference("ar", -0.08), difference("tr", 0.09), difference("hi", -0.01)], NAMES)
    assert chart is not None
    regret = {label.text: (line[5].text, line[5].mark) for label, line in chart.table.rows}
    assert chart.table.columns[6] == "Regret"
    assert regret == {"Turkish": ("0.0", ""), "Hindi": ("1.0", ""), "Arabic": ("8.0", "▼")}


def test_a_turned_difference_keeps_its_interval() -> None:
    """Turning swaps the stages and the ends; turning twice changes nothing."""
    row = search_differences(("west", "east"))[1][0]
    there = merge_gain.turned(row)
    assert (there.a, there.b, there.value, there.low, there.high) == (row.b, row.a, -row.value, -row.high, -row.low)
    assert merge_gain.turned(there) == row


def test_scores_are_written_in_their_own_units() -> None:
    """A score lies in [0, 100]: its differences are not multiplied into percentage points."""
    rows = [merge_gain.turned(row) for row in search_differences(("west", "east"))[1]]
    chart = merge_gain.gains(rows, NAMES)
    assert chart is not None
    assert len(chart.rows) == len(LANGUAGES) + 1
    assert chart.rows[-1].label.text == "All languages"
    assert max(abs(float(r.readings[0].text.replace("\u2212", "-"))) for r in chart.rows) == pytest.approx(2.4, abs=0.06)


def test_the_recommendation_is_what_is_expected_most_of() -> None:
    """Recommended is the highest expectation, not the highest value, which is partly luck; it is ringed."""
    rows = search_trials(("west", "east", "south"))
    chosen = merge_trials.recommended(rows)
    assert chosen is not None
    assert chosen.expected == max(row.expected for row in rows if row.expected is not None)
    assert chosen.value < max(row.value for row in rows)
    chart = merge_trials.trials(rows, prefix="m")
    assert chart is not None
    assert chart.drawing.count('class="chosen"') == 1
    assert [label.badge for label, _ in chart.table.rows].count("recommended") == 1


def test_every_evaluation_has_a_mark_of_its_kind() -> None:
    """Inputs alone are rings, the uniform weights a stroke, the soup a diamond, proposals points: one for each evaluation."""
    chart = merge_trials.trials(search_trials(("west", "east", "south")), prefix="m")
    assert chart is not None
    assert chart.drawing.count("ring reference") == 3
    assert chart.drawing.count("mark limit") == 1
    assert chart.drawing.count("dot second") == 1
    assert chart.drawing.count("dot main") == 19
    assert len(chart.table.rows) == 24
    ElementTree.fromstring(str(chart.drawing))  # noqa: S314 - our own output


def test_a_search_that_has_not_ended_recommends_nothing() -> None:
    """Before its end a search has values but no expectations: they are drawn, and nothing is ringed."""
    rows = [replace(row, expected=None) for row in search_trials(("west", "east"))]
    chart = merge_trials.trials(rows, prefix="m")
    assert chart is not None
    assert "chosen" not in chart.drawing
    assert merge_trials.weights(rows, prefix="m") is None
    assert merge_trials.trials([], prefix="m") is None


def test_the_weights_are_bars_against_the_uniform_weight() -> None:
    """Each input has its recommended weight, and a dashed line where it would stand if all weighed alike."""
    (row,) = [r for r in search_trials(("west", "east", "south")) if r.origin == "soup" and r.language == MULTIPLE]
    chart = merge_trials.weights([row], prefix="m")
    assert isinstance(row, Trial)
    assert chart is not None
    assert [(r.label.text, r.readings[0].text) for r in chart.rows] == [("west", "60.0%"), ("east", "40.0%"), ("south", "0.0%")]
    assert all("even dashed" in r.strip for r in chart.rows)
