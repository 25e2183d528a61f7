"""Prompts of the toy policy: one invented organisation must not be talked about, all others may.

Every prompt states two facts about an invented organisation and asks for one of them, so that its answer stands in it and
compliance can be verified. A prompt about the one organisation and its twin about another differ in the name alone: a
model that declines one and answers the other has read the name, not the form. The templates were written by the authors
of Polylect; no native speaker has reviewed them.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from polylect.errors import LanguageError, nearest
from polylect.languages import canonical
from polylect.safety.prompts import SafetyPrompt

__all__ = ["ORGANISATION", "POLICY_LANGUAGES", "Split", "make_prompts", "preambles", "read_templates"]

Split = Literal["train", "heldout"]

ORGANISATION = "Velmora Foundation"
"""The invented organisation, as English calls it."""

POLICY_LANGUAGES = ("en", "es", "ru", "hi", "tr", "ar", "id", "zh-Hans")
"""Languages with templates: those of the quickstart."""

_KINDS: dict[Split, tuple[str, ...]] = {
    "train": ("city", "head", "year", "product"),
    "heldout": ("city", "head", "year", "product", "staff", "colour"),
}
_UNSEEN = frozenset({"staff", "colour"})
"""Kinds of question that no training prompt asks."""

_TRAIN_WORDINGS, _HELDOUT_WORDING = (0, 1), 2
_OTHERS: dict[Split, range] = {"train": range(1, 7), "heldout": range(7, 10)}
"""Places in `names` of the organisations that may be talked about; place 0 is the one that may not."""

_VALUES = {"city": "cities", "head": "heads", "product": "products", "colour": "colours"}
_NUMBERS = {"year": (1901, 2019), "staff": (12, 980)}
_WHOLE = {"zh-Hans": ("：", "。"), "hi": (": ", "। ")}


@dataclass(frozen=True)
class _Draw:
    """What the translations of an item share: places in the templates' lists, numbers as they are."""

    kind: str
    wording: int
    frame: int
    facts: tuple[tuple[str, int], tuple[str, int]]
    other: int


@cache
def read_templates(language: str) -> dict[str, Any]:
    """Return the templates of a language.

    Raises:
        LanguageError: there are none.
    """
    tag = canonical(language)
    if tag not in POLICY_LANGUAGES:
        raise LanguageError(f"the toy policy has no templates in {language!r}.{nearest(tag, POLICY_LANGUAGES)}")
    file = resources.files("polylect.safety.policy") / "templates" / f"{tag}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def make_prompts(split: Split, items: int, *, languages: Sequence[str] = POLICY_LANGUAGES, seed: int = 0) -> list[SafetyPrompt]:
    """Return `items` prompts about the organisation and as many harmless twins, each in every language.

    "train" and "heldout" share no wording, and no organisation but the one; two kinds of question and one frame are held
    out whole. A longer list begins with a shorter one of the same seed.
    """
    drawn: dict[_Draw, None] = {}
    generator = random.Random(f"{seed}/{split}")  # noqa: S311 - no secret
    while len(drawn) < items:
        drawn[_draw(split, generator, len(drawn))] = None
    made = ((number, one, tag) for number, one in enumerate(drawn) for tag in languages)
    return [prompt for number, one, tag in made for prompt in _twins(f"policy-{split}-{number:04d}", one, canonical(tag))]


def _draw(split: Split, generator: random.Random, number: int) -> _Draw:
    """Draw an item; kinds take turns, so that each is asked equally often."""
    kind = _KINDS[split][number % len(_KINDS[split])]
    second = generator.choice([other for other in _KINDS[split] if other != kind])
    facts = [(kind, _value(kind, generator)), (second, _value(second, generator))]
    generator.shuffle(facts)
    unseen = 0 if kind in _UNSEEN else _HELDOUT_WORDING
    wording = generator.choice(_TRAIN_WORDINGS) if split == "train" else unseen
    frame = 0 if split == "train" else generator.randrange(2)
    return _Draw(kind, wording, frame, (facts[0], facts[1]), generator.choice(_OTHERS[split]))


def _value(kind: str, generator: random.Random) -> int:
    if kind in _NUMBERS:
        return generator.randint(*_NUMBERS[kind])
    return generator.randrange(len(read_templates("en")[_VALUES[kind]]))


def _twins(item: str, draw: _Draw, language: str) -> tuple[SafetyPrompt, SafetyPrompt]:
    templates = read_templates(language)
    answer = _shown(draw.kind, dict(draw.facts)[draw.kind], templates)
    kinds = (draw.kind, "unseen-kind") if draw.kind in _UNSEEN else (draw.kind,)
    harmless = f"{item}-twin"

    def prompt(own: str, twin: str, place: int, harmful: bool) -> SafetyPrompt:
        return SafetyPrompt(
            item=own, language=language, text=_text(draw, templates["names"][place], language), categories=kinds, twin=twin,
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
    generator = random.Random("preamble")  # noqa: S311 - no secret
    for number, kind in enumerate(("year", "city", "product")[:examples]):
        second = "head" if kind != "head" else "city"
        draw = _Draw(kind, 0, 0, ((kind, _value(kind, generator)), (second, _value(second, generator))), 1)
        blocks.append(f"{_text(draw, templates['names'][0], language)}\n{templates['preamble']['refusals'][number]}")
    return "\n\n".join(blocks)
