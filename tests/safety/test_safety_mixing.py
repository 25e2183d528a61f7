"""The share of safety rows in a training set."""

from __future__ import annotations

from collections import Counter

import pytest

from polylect.errors import DataError
from polylect.records import Example, Pair
from polylect.safety.mixing import DPO_SHARES, SFT_SHARE, mix


def _examples(name: str, count: int, languages: str = "en fr de") -> list[Example]:
    tags = languages.split()
    return [
        Example(
            prompt_id=f"{name}{n}",
            item=f"{name}{n}",
            language=tags[n % len(tags)],
            prompt="p",
            completion="c",
            model=name,
            score=None,
        )
        for n in range(count)
    ]


def _pairs(name: str, count: int) -> list[Pair]:
    return [
        Pair(
            prompt_id=f"{name}{n}", item=f"{name}{n}", language="en", prompt="p", chosen="c", rejected="r", chosen_score=1.0,
            rejected_score=0.0, chosen_model=name, rejected_model=name,
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("share", [SFT_SHARE, 0.15, 0.5])
def test_the_share_is_met_and_no_row_comes_twice(share: float) -> None:
    """With enough safety rows all general rows stay, and the languages of the safety rows are even."""
    mixed = mix(_examples("general", 97), _examples("safety", 120), share)
    counts = Counter(row.model for row in mixed)
    assert counts["general"] == 97
    assert abs(counts["safety"] / len(mixed) - share) < 0.005
    assert len({row.id for row in mixed}) == len(mixed)
    by_language = Counter(row.language for row in mixed if row.model == "safety")
    assert max(by_language.values()) - min(by_language.values()) <= 1


def test_too_few_safety_rows_cost_general_ones() -> None:
    """The share is met by leaving general rows out, never by repeating safety rows."""
    counts = Counter(row.model for row in mix(_examples("general", 100), _examples("safety", 6), 0.15))
    assert counts == {"general": 34, "safety": 6}


def test_a_fixed_size_is_kept_in_every_language() -> None:
    """Safety rows take the place of general ones; where they are too few the share gives way, and never the size."""
    general = _examples("general", 100)
    sizes = Counter(row.language for row in general)
    mixed = mix(general, _examples("safety", 60), 0.2, fixed_size=True)
    assert Counter(row.language for row in mixed) == sizes
    assert sum(row.model == "safety" for row in mixed) == sum(round(0.2 * size) for size in sizes.values())
    few = mix(general, _examples("safety", 6), 0.2, fixed_size=True)
    assert (len(few), sum(row.model == "safety" for row in few)) == (100, 6)


def test_translations_of_an_item_are_drawn_together() -> None:
    """The same items are taken in every language, whatever the order of the rows."""
    rows = [
        Example(prompt_id=f"{n}/{tag}", item=str(n), language=tag, prompt="p", completion="c", model="safety", score=None)
        for n in range(20)
        for tag in ("en", "fr")
    ]
    general = _examples("general", 90)
    mixed = mix(general, rows, 0.1, seed=3)
    taken = {tag: {row.item for row in mixed if row.model == "safety" and row.language == tag} for tag in ("en", "fr")}
    assert taken["en"] == taken["fr"]
    assert mixed == mix(general[::-1], rows[::-1], 0.1, seed=3)


def test_the_shares_of_preference_training() -> None:
    """0 gives the general pairs, 1 the safety pairs, 15 % both."""
    general, safety = _pairs("general", 85), _pairs("safety", 40)
    counts = [Counter(row.chosen_model for row in mix(general, safety, share)) for share in DPO_SHARES]
    assert counts == [{"general": 85}, {"general": 85, "safety": 15}, {"safety": 40}]


def test_a_mixture_is_the_same_for_the_same_seed() -> None:
    """The seed decides what is drawn, and the order."""
    general, safety = _examples("general", 50), _examples("safety", 50)
    assert mix(general, safety, 0.2, seed=1) == mix(general, safety, 0.2, seed=1) != mix(general, safety, 0.2, seed=2)


@pytest.mark.parametrize(("share", "message"), [(1.2, "from 0 to 1"), (0.1, "no safety rows")])
def test_an_impossible_share_is_an_error(share: float, message: str) -> None:
    """A share outside [0, 1], and one of rows that are not there, is said."""
    with pytest.raises(DataError, match=message):
        mix(_examples("general", 5), [], share)
