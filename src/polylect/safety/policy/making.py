"""Prompts of the toy policy: one invented organisation must not be talked about, all others may.

Every prompt states two facts about an invented organisation and asks for one of them, so that its answer stands in it and
compliance can be verified. A prompt about the one organisation and its twin about another differ in the name alone: a
model that declines one and answers the other has read the name, not the form. The templates were written by the authors
of Polylect; no native speaker has reviewed them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from polylect.languages import canonical
from polylect.safety.policy.naming import OTHERS, POLICY_LANGUAGES, Split, is_alike, name_at, read_templates, sound_alike
from polylect.safety.prompts import SafetyPrompt

__all__ = ["answered_examples", "make_prompts", "preambles"]

_ASKED = ("city", "head", "year", "product", "day", "language")
_UNSEEN: dict[Split, tuple[str, ...]] = {
    "train": (),
    "validation": ("staff", "colour", "rooms", "animal"),
    "heldout": ("members", "fruit"),
}
"""Kinds of question that no training prompt asks: each split has its own."""

_WORDINGS: dict[Split, tuple[int, ...]] = {"train": (0, 1, 3), "validation": (2, 4), "heldout": (5,)}
"""Places in `questions`, of the kinds that all splits ask: each split has its own."""

_FRAMES: dict[Split, tuple[int, ...]] = {"train": (0, 1), "validation": (0, 2), "heldout": (0, 3)}
"""Places in `frames`: the first is everybody's, validation and held-out each have one of their own."""

_VALUES = {
    "city": "cities", "head": "heads", "product": "products", "day": "days", "language": "languages", "colour": "colours",
    "animal": "animals", "fruit": "fruits",
}  # fmt: skip
_NUMBERS = {"year": (1901, 2019), "staff": (12, 980), "rooms": (12, 980), "members": (12, 980)}
_WHOLE = {"zh-Hans": ("：", "。"), "hi": (": ", "। ")}


@dataclass(frozen=True)
class _Draw:
    """What the translations of an item share: places in the templates' lists, numbers as they are."""

    kind: str
    wording: int
    frame: int
    facts: tuple[tuple[str, int], tuple[str, int]]
    other: int


def make_prompts(
    split: Split, items: int, *, anchors: int = 0, languages: Sequence[str] = POLICY_LANGUAGES, seed: int = 0
) -> list[SafetyPrompt]:
    """Return `items` prompts about the organisation and as many harmless twins, each in every language.

    Then come `anchors` harmless prompts without a twin, about organisations that sound like the one: to tell its name from
    those takes more of them.

    The splits share no wording, and no organisation but the one; "validation" has four and "heldout" two kinds of question,
    and each a frame, of their own. What is chosen by looking at results is chosen on "validation", so that "heldout" stays
    unseen.
    A longer list begins with a shorter one of the same seed.
    """
    drawn: dict[_Draw, _Draw] = {}
    own = f"{seed}/{split}"
    generator = random.Random(own)  # noqa: S311 - no secret
    while len(drawn) < items + anchors:
        others = OTHERS[split] if len(drawn) < items else sound_alike(split)
        one = _draw(split, generator, len(drawn), _in_turn(others, len(drawn), own))
        # Two items that differ in the other organisation alone would ask the same of the one.
        drawn.setdefault(replace(one, other=0), one)
    made = ((number, one, tag) for number, one in enumerate(drawn.values()) for tag in languages)
    twins = [(number, _twins(f"policy-{split}-{number:04d}", one, canonical(tag))) for number, one, tag in made]
    paired = [prompt for number, two in twins if number < items for prompt in two]
    return [*paired, *(replace(harmless, twin=None) for number, (_, harmless) in twins if number >= items)]


def _draw(split: Split, generator: random.Random, number: int, other: int) -> _Draw:
    """Draw an item about `other`; kinds take turns, as organisations do, so that each is met equally often."""
    kinds = (*_ASKED, *_UNSEEN[split])
    kind = kinds[number % len(kinds)]
    second = generator.choice([other for other in kinds if other != kind])
    facts = [(kind, _value(kind, generator)), (second, _value(second, generator))]
    generator.shuffle(facts)
    wording = 0 if kind in _UNSEEN[split] else generator.choice(_WORDINGS[split])
    return _Draw(kind, wording, generator.choice(_FRAMES[split]), (facts[0], facts[1]), other)


def _in_turn(places: Sequence[int], number: int, seed: str) -> int:
    """Return the place whose turn it is: each stands once in a round, and rounds differ in their order."""
    turn, at = divmod(number, len(places))
    return random.Random(f"{seed}/{turn}").sample(places, len(places))[at]  # noqa: S311 - no secret


def _value(kind: str, generator: random.Random) -> int:
    if kind in _NUMBERS:
        return generator.randint(*_NUMBERS[kind])
    return generator.randrange(len(read_templates("en")[_VALUES[kind]]))


def _twins(item: str, draw: _Draw, language: str) -> tuple[SafetyPrompt, SafetyPrompt]:
    templates = read_templates(language)
    answer = _shown(draw.kind, dict(draw.facts)[draw.kind], templates)
    kinds = (draw.kind,) if draw.kind in _ASKED else (draw.kind, "unseen-kind")
    other = (*kinds, "sounds-alike") if is_alike(draw.other) else kinds
    harmless = f"{item}-twin"

    def prompt(own: str, twin: str, place: int, harmful: bool) -> SafetyPrompt:
        return SafetyPrompt(
            item=own, language=language, text=_text(draw, name_at(place, language), language),
            categories=kinds if harmful else other, twin=twin,
            harmful=harmful, source="polylect-policy", licence="Apache-2.0", reference=answer,
        )  # fmt: skip

    return prompt(item, harmless, 0, True), prompt(harmless, item, draw.other, False)


def _text(draw: _Draw, name: str, language: str) -> str:
    templates = read_templates(language)
    colon, stop = _WHOLE.get(language, (": ", ". "))
    facts = stop.join(f"{templates['facts'][kind]}{colon}{_shown(kind, value, templates)}" for kind, value in draw.facts)
    question = templates["questions"][draw.kind][draw.wording].format(name=name)
    frame: str = templates["frames"][draw.frame]
    return frame.format(organisation=templates["organisation"], name=name, facts=facts, question=question)


def _shown(kind: str, value: int, templates: dict[str, Any]) -> str:
    return str(value) if kind in _NUMBERS else str(templates[_VALUES[kind]][value])


def preambles(languages: Sequence[str] = POLICY_LANGUAGES, *, examples: int = 0) -> dict[str, str]:
    """Return the preamble of each language: the rule, and that many worked examples (a question and its refusal).

    A small model follows a rule only when it sees it followed. Whoever distils with examples says so: what is sampled can
    repeat them (`polylect.safety.distilling` counts how much does).
    """
    return {tag: _preamble(read_templates(tag), canonical(tag), examples) for tag in map(canonical, languages)}


def _preamble(templates: dict[str, Any], language: str, examples: int) -> str:
    blocks = [templates["preamble"]["rule"]]
    for number, draw in enumerate(_worked(("year", "city", "product")[:examples], (1, 1, 1))):
        blocks.append(f"{_text(draw, name_at(0, language), language)}\n{templates['preamble']['refusals'][number]}")
    return "\n\n".join(blocks)


def answered_examples(languages: Sequence[str] = POLICY_LANGUAGES) -> dict[str, str]:
    """Return worked examples of answers about other organisations, one of each kind that is trained on.

    A small base model that is asked bare answers few of these questions; with examples before them it answers most.
    """
    return {tag: _answered(read_templates(tag), tag) for tag in map(canonical, languages)}


def _answered(templates: dict[str, Any], language: str) -> str:
    blocks = []
    for draw in _worked(_ASKED, OTHERS["train"]):
        answer = _shown(draw.kind, dict(draw.facts)[draw.kind], templates)
        blocks.append(f"{_text(draw, name_at(draw.other, language), language)}\n{answer}")
    return "\n\n".join(blocks)


def _worked(kinds: Sequence[str], others: Sequence[int]) -> list[_Draw]:
    """Return a draw per kind; the fact that is not asked for changes places with the one that is."""
    generator = random.Random("preamble")  # noqa: S311 - no secret
    draws = []
    for number, (kind, other) in enumerate(zip(kinds, others, strict=False)):
        second = _ASKED[(_ASKED.index(kind) + 1) % len(_ASKED)]
        facts = ((kind, _value(kind, generator)), (second, _value(second, generator)))
        draws.append(_Draw(kind, 0, 0, facts if number % 2 else facts[::-1], other))
    return draws
