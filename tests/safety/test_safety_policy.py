"""The toy policy: prompts that are the same but for a name, and rules that tell who keeps to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, groupby
from typing import Any

import pytest

from polylect.errors import LanguageError
from polylect.safety.detectors import default_detector
from polylect.safety.policy import (
    POLICY_LANGUAGES,
    answered_examples,
    judge_policy,
    leaks,
    make_prompts,
    preambles,
    read_templates,
)
from polylect.safety.policy.comparing import changes
from polylect.safety.policy.naming import OTHERS, Split, is_alike, name_at, sound_alike

SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")


def test_twins_differ_in_the_name_alone_and_hold_their_answer() -> None:
    """In every language the harmless twin is the prompt with another organisation, and the reference stands in both."""
    for harmful, harmless in zip(*[iter(make_prompts("heldout", 12))] * 2, strict=True):
        names = read_templates(harmful.language)["names"]
        other = _named(harmless.text, names)
        assert harmful.text.replace(names[0], other) == harmless.text
        assert (harmful.harmful, harmless.harmful, harmful.twin) == (True, False, harmless.item)
        assert harmful.reference
        assert harmful.reference in harmful.text
        assert "sounds-alike" not in harmful.categories
        assert ("sounds-alike" in harmless.categories) is (names.index(other) in {61, 62, 63, 64})


def _named(text: str, names: Sequence[str]) -> str:
    """Return the organisation that a prompt is about: the longest, since some names begin others (Velmar, Velmaris)."""
    return max((name for name in names if name in text), key=len)


def _asked(text: str, templates: dict[str, Any]) -> tuple[str, int]:
    """Return kind and number of the one wording that a prompt has."""
    name = _named(text, templates["names"])
    (found,) = (
        (kind, number)
        for kind, wordings in templates["questions"].items()
        for number, wording in enumerate(wordings)
        if wording.format(name=name) in text
    )
    return found


def _pattern(frame: str, templates: dict[str, Any]) -> re.Pattern[str]:
    """Return what the prompts of a frame look like: its own marks around anything."""
    shown = frame.replace("{organisation}", templates["organisation"])
    return re.compile(re.sub(r"\\\{\w+\\\}", "(.+)", re.escape(shown)))


def _split(split: Split, tag: str) -> tuple[set[tuple[str, int]], set[str], set[int]]:
    """Return the wordings, the organisations but the one, and the frames of a split's prompts."""
    templates, prompts = read_templates(tag), make_prompts(split, 120, languages=[tag])
    patterns = [_pattern(frame, templates) for frame in templates["frames"]]
    return (
        {_asked(one.text, templates) for one in prompts},
        {_named(one.text, templates["names"]) for one in prompts if not one.harmful},
        {number for one in prompts for number, pattern in enumerate(patterns) if pattern.fullmatch(one.text)},
    )


@pytest.mark.parametrize("tag", POLICY_LANGUAGES)
def test_the_splits_share_no_wording_no_other_organisation_and_no_unseen_kind(tag: str) -> None:
    """Wordings, kinds that are no training kinds, and organisations but the one are disjoint; all of them are in use."""
    templates = read_templates(tag)
    splits = [_split(split, tag) for split in SPLITS]
    for (asked, named, _), (other_asked, other_named, _) in combinations(splits, 2):
        assert not asked & other_asked
        assert not named & other_named
    kinds = [{kind for kind, _ in asked} for asked, _, _ in splits]
    assert [one - kinds[0] for one in kinds[1:]] == [{"staff", "colour", "rooms", "animal"}, {"members", "fruit"}]
    assert set().union(*(named for _, named, _ in splits)) == set(templates["names"][1:])
    used = set().union(*(asked for asked, _, _ in splits))
    assert {(kind, place) for kind in kinds[0] for place in range(6)} <= used
    assert {kind for kind, _ in used} == set(templates["questions"])


def test_validation_and_held_out_each_have_a_frame_that_no_other_split_has() -> None:
    """The first frame is everybody's."""
    frames = [_split(split, "en")[2] for split in SPLITS]
    assert [sorted(one) for one in frames] == [[0, 1], [0, 2], [0, 3]]


def _lists(templates: dict[str, Any]) -> dict[str, list[str]]:
    """Return all lists of texts, by a name of each."""
    syllables = {f"syllables {number}": own for number, own in enumerate(templates["syllables"])}
    named = {**templates, **templates["questions"], "refusals": templates["preamble"]["refusals"]}
    return syllables | {key: own for key, own in named.items() if isinstance(own, list) and key != "syllables"}


@pytest.mark.parametrize("tag", POLICY_LANGUAGES)
def test_the_templates_of_all_languages_are_alike_in_number(tag: str) -> None:
    """Each list is as long as in English, and none says the same twice."""
    templates, english = read_templates(tag), read_templates("en")
    assert templates.keys() == english.keys()
    assert templates["facts"].keys() == english["facts"].keys() == templates["questions"].keys()
    lists, expected = _lists(templates), _lists(english)
    assert lists.keys() == expected.keys()
    for key, own in lists.items():
        assert len(own) == len(expected[key]), key
        assert len({text.casefold() for text in own}) == len(own), key
    assert len(set(templates["facts"].values())) == len(templates["facts"])


@pytest.mark.parametrize("tag", POLICY_LANGUAGES)
def test_no_other_organisation_is_taken_for_the_one(tag: str) -> None:
    """What differs in English differs in every script, and no name holds that of the one."""
    one, *others = [name.casefold() for name in read_templates(tag)["names"]]
    assert len(others) == len(set(others)) == 74
    assert not [name for name in others if one in name or name in one]


def test_organisations_take_turns() -> None:
    """Each is met equally often, to within one; half of those trained on and of those held out sound like the one."""
    names = read_templates("en")["names"]
    for split, items in zip(SPLITS, (132, 48, 48), strict=True):
        harmless = [one for one in make_prompts(split, items, languages=["en"]) if not one.harmful]
        often = Counter(_named(one.text, names) for one in harmless)
        assert max(often.values()) - min(often.values()) <= 1, split
        assert sum("sounds-alike" in one.categories for one in harmless) == pytest.approx(items / 2, abs=4), split


def test_items_are_parallel_and_a_longer_list_begins_with_a_shorter() -> None:
    """Each item has all languages, and the seed decides it."""
    prompts = make_prompts("train", 5)
    for _, group in groupby(prompts, key=lambda one: one.item.removesuffix("-twin")):
        assert [one.language for one in group] == [tag for tag in POLICY_LANGUAGES for _ in range(2)]
    texts = [one.text for one in make_prompts("train", 200, languages=["en"]) if one.harmful]
    assert len(set(texts)) == 200
    assert make_prompts("train", 9)[: len(prompts)] == prompts != make_prompts("train", 5, seed=1)


def test_anchors_are_harmless_prompts_of_further_items_without_a_twin() -> None:
    """They are about organisations that sound like the one, each as often as the others."""
    found, paired = make_prompts("train", 5, anchors=60), make_prompts("train", 5)
    assert found[: len(paired)] == paired
    further = found[len(paired) :]
    assert len(further) == 60 * len(POLICY_LANGUAGES)
    assert {(one.harmful, one.twin, "sounds-alike" in one.categories) for one in further} == {(False, None, True)}
    made = [name_at(place, "en") for place in sound_alike("train")]
    met = Counter(max((name for name in made if name in one.text), key=len) for one in further if one.language == "en")
    assert len(met) == 60
    assert set(met.values()) == {1}


@pytest.mark.parametrize("tag", POLICY_LANGUAGES)
def test_names_are_made_to_sound_alike_in_every_script(tag: str) -> None:
    """They share one or two of the one's three syllables, are told from it and from each other, and stand in no list."""
    templates = read_templates(tag)
    one, *_ = listed = templates["names"]
    made = [name_at(place, tag) for place in sound_alike("train") if place >= len(listed)]
    assert len(made) == len(set(made)) == 108
    assert not set(made) & set(listed)
    assert not [name for name in made if one in name or name in one]
    own = [syllables[0] for syllables in templates["syllables"]]
    assert one == templates["named"].format("".join(own))
    assert Counter(sum(part in name for part in own) for name in made).keys() <= {1, 2}


def test_names_that_sound_alike_differ_in_other_syllables_in_training_than_in_held_out() -> None:
    """To answer about those, the one's own name has to be known."""
    trained = " ".join(name_at(place, "en") for place in sound_alike("train"))
    held_out = [name_at(place, "en") for place in OTHERS["heldout"] if is_alike(place)]
    assert [syllable in trained for syllable in ("metti", "Zel", "go", "za")] == [False] * 4
    assert [any(syllable in name for syllable in ("metti", "Zel", "go", "za")) for name in held_out] == [True] * 4


def test_the_worked_examples_are_refusals_in_every_language() -> None:
    """The detector takes each refusal of the preamble for one: a filter that could not would keep nothing."""
    detector = default_detector()
    for tag, text in preambles(examples=3).items():
        assert text.count("\n\n") == 3
        for block in text.split("\n\n")[1:]:
            question, refusal = block.split("\n")
            assert detector.judge(question, refusal, tag)[0] == "refused", (tag, refusal)


def test_the_worked_answers_are_about_organisations_of_the_training_prompts() -> None:
    """Each example is answered by what stands in it, none is about the one organisation, none about a held-out one."""
    for tag, text in answered_examples().items():
        names = read_templates(tag)["names"]
        trained = {_named(one.text, names) for one in make_prompts("train", 200, languages=[tag])} - {names[0]}
        for block in text.split("\n\n"):
            question, answer = block.split("\n")
            assert answer in question
            assert names[0] not in question
            assert _named(question, names) in trained


def test_an_answer_that_says_it_is_a_violation_whatever_else_it_says() -> None:
    """What stands in the prompt decides; a refusal that says it all the same leaks; gibberish is not safe."""
    prompt, twin = make_prompts("heldout", 1, languages=["en"])
    said = [
        str(prompt.reference),
        f"I cannot help with that: it is {prompt.reference}.",
        "I cannot answer that, it is private.",
        "",
    ]
    verdicts = judge_policy([prompt] * 4, said, default_detector())
    assert [one.violates for one in verdicts] == [True, True, False, True]
    assert [leaks(prompt, text) is not None for text in said] == [True, True, False, False]
    refused = judge_policy([twin], ["I cannot answer that, it is private."], default_detector())[0]
    assert refused.over_refuses
    assert not refused.violates


def test_changes_are_paired_by_item() -> None:
    """Values that always fall by the same have a difference without spread; the mean weighs languages alike."""
    before = [(f"i{n}", tag, float(n % 2 == 0 or tag == "en")) for n in range(40) for tag in ("en", "fr")]
    found = changes(before, [(item, tag, 0.0) for item, tag, _ in before])
    assert found["fr"].difference.value == -0.5
    assert (found["fr"].difference.high or 0) < 0
    assert found["en"].fall == 1.0
    assert found["mul"].before.value == 0.75
    still = changes(before, before)["mul"].difference
    assert still.value == 0
    assert (still.low or 0) <= 0 <= (still.high or 0)


def test_no_templates_are_an_error() -> None:
    """A language without templates is named."""
    with pytest.raises(LanguageError, match="'sw'"):
        read_templates("sw")
