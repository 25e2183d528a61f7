"""Safety rows among the rows of training: the share to a row, anchors that belong, and what is told where rows are few."""

from __future__ import annotations

from collections import Counter

import pytest

from polylect.errors import DataError
from polylect.records import Example, Pair
from polylect.run.safety_mixture import Source, mixed_pairs, mixed_rows


def example(sort: str, number: int, tag: str) -> Example:
    """Return a row of fine-tuning."""
    return Example(
        prompt_id=f"{sort}-{number}-{tag}", item=f"{sort}-{number}", language=tag, prompt=f"{sort} {number} {tag}",
        completion="x", model="t", score=None,
    )  # fmt: skip


def pair(sort: str, number: int, tag: str) -> Pair:
    """Return a preference."""
    return Pair(
        prompt_id=f"{sort}-{number}-{tag}", item=f"{sort}-{number}", language=tag, prompt=f"{sort} {number} {tag}", chosen="a",
        rejected="b", chosen_score=1, rejected_score=0, chosen_model="t", rejected_model="t",
    )  # fmt: skip


TAGS = ("en", "fr", "de")


def world(refusals: int, anchors: int) -> tuple[list[Example], Source]:
    """Return refusals and harmless answers in three languages, and how they belong together."""
    rows = [example("harm", number, tag) for number in range(refusals) for tag in TAGS]
    rows += [example("fine", number, tag) for number in range(anchors) for tag in TAGS]
    harmless = frozenset((row.item, row.language) for row in rows if row.item.startswith("fine"))
    categories = {(row.item, row.language): (f"kind {int(row.item.split('-')[1]) % 2}",) for row in rows}
    twin = {(f"harm-{n}", tag): (f"fine-{n}", tag) for n in range(anchors) for tag in TAGS}
    return rows, Source(harmless, categories, twin)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03, 0.15, 0.25])
@pytest.mark.parametrize("anchors", [0, 1, 2])
def test_the_share_is_met_to_a_row(share: float, anchors: int) -> None:
    """With rows enough the refusals are the share of all rows, their anchors beside them; no row is used twice."""
    general = [example("general", number, tag) for number in range(100) for tag in TAGS]
    rows, source = world(200, 400)
    found = mixed_rows(general, rows, source, share, anchors=anchors, seed=3)
    refusals = sum(row.item.startswith("harm") for row in found.rows)
    assert refusals == found.safety
    assert abs(refusals / len(found.rows) - share) <= 0.5 / len(found.rows) + 1e-3
    assert found.anchors == anchors * found.safety
    assert found.general == len(general)
    assert len({row.id for row in found.rows}) == len(found.rows) == found.safety + found.anchors + found.general
    assert found.met
    per_language = Counter(row.language for row in found.rows if row.item.startswith("harm"))
    assert not per_language or max(per_language.values()) - min(per_language[tag] for tag in TAGS) <= 1
    again = mixed_rows(general[::-1], rows[::-1], source, share, anchors=anchors, seed=3)
    assert [row.id for row in again.rows] == [row.id for row in found.rows]


def test_anchors_are_the_twins_then_the_category() -> None:
    """A refusal's own twin comes first; where a category has too few harmless answers the lack is told."""
    general = [example("general", number, "en") for number in range(40)]
    rows, source = world(8, 8)
    own = [row for row in rows if row.language == "en"]
    found = mixed_rows(general, own, source, 0.1, seed=1)
    items = {sort: {row.item.split("-")[1] for row in found.rows if row.item.startswith(sort)} for sort in ("harm", "fine")}
    assert items["harm"] == items["fine"]
    assert found.short == {}
    even = [row for row in own if row.item.startswith("harm") or int(row.item.split("-")[1]) % 2 == 0]
    lacking = mixed_rows(general, even, source, 0.14, seed=1)
    assert lacking.short == {"kind 1": sum(row.item in {f"harm-{n}" for n in (1, 3, 5, 7)} for row in lacking.rows)}


def test_too_few_refusals_fall_short_or_cost_other_rows() -> None:
    """All refusals are taken once; either the share is told to be short, or other rows are left out, and counted."""
    general = [example("general", number, tag) for number in range(100) for tag in TAGS]
    rows, source = world(2, 2)
    short = mixed_rows(general, rows, source, 0.1)
    assert (short.safety, short.general, short.met) == (6, 300, False)
    assert short.reached == pytest.approx(6 / 312)
    cut = mixed_rows(general, rows, source, 0.1, keep_general=False)
    assert (cut.safety, cut.anchors, cut.general, cut.reached, cut.met) == (6, 6, 48, 0.1, True)
    assert cut.dropped == {"other rows left out to meet the share": 252}
    nothing = mixed_rows(general, [row for row in rows if row.item.startswith("fine")], source, 0.1)
    assert (nothing.safety, nothing.anchors, nothing.general, nothing.met) == (0, 0, 300, False)


@pytest.mark.parametrize(("share", "safety", "general"), [(0.0, 0, 51), (0.15, 9, 51), (1.0, 60, 0)])
def test_the_shares_of_pairs(share: float, safety: int, general: int) -> None:
    """0, 15 and 100 % (Aakanksha et al. 2024): the paper's three mixtures."""
    ours = [pair("general", number, tag) for number in range(17) for tag in TAGS]
    theirs = [pair("safe", number, tag) for number in range(20) for tag in TAGS]
    found = mixed_pairs(ours, theirs, share)
    assert (found.safety, found.general, found.met) == (safety, general, True)
    assert found.reached == pytest.approx(share)


def test_too_few_pairs_fall_short_or_cost_others() -> None:
    """As with refusals; without other pairs a share below 1 cannot be had."""
    ours = [pair("general", number, "en") for number in range(40)]
    theirs = [pair("safe", number, "en") for number in range(3)]
    short = mixed_pairs(ours, theirs, 0.15)
    assert (short.safety, short.general, short.met) == (3, 40, False)
    cut = mixed_pairs(ours, theirs, 0.15, keep_general=False)
    assert (cut.safety, cut.general, cut.met) == (3, 17, True)
    assert mixed_pairs(ours, [], 0.15).rows
    with pytest.raises(DataError, match="there are no general rows"):
        mixed_pairs([], theirs, 0.15)
