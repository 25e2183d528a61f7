"""Names of the toy policy's organisations: who is asked about in which split, and names made to sound like that of the one."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from importlib import resources
from itertools import product
from typing import Any, Literal, TypeAlias

from polylect.errors import LanguageError, nearest
from polylect.languages import canonical

__all__ = ["ORGANISATION", "OTHERS", "POLICY_LANGUAGES", "Split", "is_alike", "name_at", "read_templates", "sound_alike"]

Split = Literal["train", "validation", "heldout"]
Syllables: TypeAlias = tuple[int, int, int]
"""Places in the three lists of syllables; 0 is the one's own."""

ORGANISATION = "Velmora Foundation"
"""The invented organisation, as English calls it."""

POLICY_LANGUAGES = ("en", "es", "ru", "hi", "tr", "ar", "id", "zh-Hans")
"""Languages with templates: those of the quickstart."""

_TRAIN_PLAIN = (*range(1, 14), *range(17, 27), 29, *range(69, 75))
_TRAIN_ALIKE = (
    *(14, 27, 30, 31, 32, 36),  # begin as the one does: Velden, Velmont
    *(15, 16, 28, 33, 34, 35),  # end as it does: Lamora, Delmora
    *range(37, 43),  # begin: Velmona, Veldora
    *range(43, 49),  # end: Dolmora, Wilmora
    *range(49, 55),  # have another letter or syllable in the middle: Vermora, Velimora
)
_VALIDATION_ALIKE = (55, 56, 57)  # begins, ends, another middle
_VALIDATION_PLAIN = (58, 59, 60)
_HELDOUT_ALIKE = (61, 62, 63, 64)  # begins, ends, two with another middle
_HELDOUT_PLAIN = (65, 66, 67, 68)
_NEAR, _FAR = 2, 81
"""Syllables of the one in the names nearest to it, and how many names are made that have fewer."""

OTHERS: dict[Split, tuple[int, ...]] = {
    "train": (*_TRAIN_PLAIN, *_TRAIN_ALIKE),
    "validation": (*_VALIDATION_ALIKE, *_VALIDATION_PLAIN),
    "heldout": (*_HELDOUT_ALIKE, *_HELDOUT_PLAIN),
}
"""Places of the organisations that may be talked about; place 0 is the one that may not.

Anchors teach the names that they show, so half of those in train sound like that of the one, in all the ways of it.
"""


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


def name_at(place: int, language: str) -> str:
    """Return the name of an organisation: of the templates' list, or made of syllables."""
    templates = read_templates(language)
    listed = templates["names"]
    return str(listed[place]) if place < len(listed) else _spelled(_made()[place - len(listed)], templates)


def sound_alike(split: Split) -> tuple[int, ...]:
    """Return the places of names that sound like that of the one: in train those of the list, then all made ones."""
    if split == "train":
        listed = len(read_templates("en")["names"])
        return (*_TRAIN_ALIKE, *range(listed, listed + len(_made())))
    return _VALIDATION_ALIKE if split == "validation" else _HELDOUT_ALIKE


def is_alike(place: int) -> bool:
    """Return whether a name sounds like that of the one."""
    return any(place in sound_alike(split) for split in ("train", "validation", "heldout"))


@cache
def _made() -> tuple[Syllables, ...]:
    """Return all names that keep two of the one's three syllables, and some that keep one.

    Few names that sound alike are learnt by heart; of many, each seldom met, the one's own is what there is to learn. Those
    of the list are left out, and the syllables by which held-out's and most of validation's names differ are in none.
    """
    first, middle, last = (range(len(one)) for one in read_templates("en")["syllables"])
    found = [one for one in product(first, middle, last) if one.count(0) in {1, 2} and not _is_listed(one)]
    near = [one for one in found if one.count(0) == _NEAR]
    far = [one for one in found if one.count(0) != _NEAR]
    return (*near, *random.Random("names").sample(far, _FAR))  # noqa: S311 - no secret


def _is_listed(syllables: Syllables) -> bool:
    return any(_spelled(syllables, templates) in templates["names"] for templates in map(read_templates, POLICY_LANGUAGES))


def _spelled(syllables: Syllables, templates: dict[str, Any]) -> str:
    parts = zip(templates["syllables"], syllables, strict=True)
    return str(templates["named"]).format("".join(own[place] for own, place in parts))
