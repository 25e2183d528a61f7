"""Kinds of question: each is one registered function that yields the facts of one language.

To add a kind, write a function in a file of this folder (or in your own code), decorate it with `kind`, and give it a
template under `[questions]` in the template files. A language without a template for a kind has no prompts of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from polylect.errors import DataError

if TYPE_CHECKING:
    from polylect.prompts.names import Names

__all__ = ["CLDR", "NUM2WORDS", "Drop", "Fact", "Kind", "kind", "known_kinds"]

CLDR = "CLDR"
NUM2WORDS = "num2words"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A question's slots and its accepted answers, preferred first.

    `key` names the fact in every language. Facts with the same `group` within a kind's family go to the same split:
    it is for facts that give each other away. It defaults to the key.
    """

    key: str
    slots: Mapping[str, str]
    references: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A fact left out in one language, with the reason that is counted. `key` and `group` as in `Fact`."""

    key: str
    reason: str
    group: str = ""


Facts = Iterator[Fact | Drop]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of question. Keys are unique in a `family`; kinds of one family share their split by group.

    `unseen` kinds are never trained on: all their prompts have the split "unseen". `tool` says where the answers come
    from, CLDR or num2words.
    """

    name: str
    family: str
    slots: tuple[str, ...]
    unseen: bool
    tool: str
    facts: Callable[[Names], Facts]


_KINDS: dict[str, Kind] = {}


def kind(
    family: str, *slots: str, unseen: bool = False, tool: str = CLDR
) -> Callable[[Callable[[Names], Facts]], Callable[[Names], Facts]]:
    """Register the decorated function, which yields the facts of one language, as the kind of its name.

    The function must yield the same keys, as `Fact` or `Drop`, in the same order for every language: splits are made from them.

    Raises:
        DataError: a kind of this name is registered already.
    """

    def register(function: Callable[[Names], Facts]) -> Callable[[Names], Facts]:
        name = function.__name__
        if name in _KINDS and _KINDS[name].facts.__module__ != function.__module__:
            raise DataError(f"Kind {name!r} is registered already, by {_KINDS[name].facts.__module__}. Choose another name.")
        _KINDS[name] = Kind(name=name, family=family, slots=slots, unseen=unseen, tool=tool, facts=function)
        return function

    return register


def known_kinds() -> dict[str, Kind]:
    """Return every registered kind by name, the shipped ones first."""
    for module in ("places", "codes", "calendar", "numbers"):
        import_module(f"{__name__}.{module}")
    return dict(_KINDS)
