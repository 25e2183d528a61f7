"""Facts about numbers: how they are written in words, by num2words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from polylect.prompts.kinds import NUM2WORDS, Drop, Fact, kind

if TYPE_CHECKING:
    from polylect.prompts.names import Names

NO_RULES = "num2words has no rules for this language"


@kind("number_words", "number", tool=NUM2WORDS)
def number_words(names: Names) -> Iterator[Fact | Drop]:
    """A number in figures, to be written in words."""
    for n in numbers()[:320]:
        words = names.number(n)
        yield Fact(key=str(n), slots={"number": str(n)}, references=words) if words else Drop(key=str(n), reason=NO_RULES)


@kind("number_digits", "words", tool=NUM2WORDS)
def number_digits(names: Names) -> Iterator[Fact | Drop]:
    """A number in words, to be written in figures; its numbers are not those of `number_words`."""
    for n in numbers()[320:]:
        words = names.number(n)
        yield Fact(key=str(n), slots={"words": words[0]}, references=(str(n),)) if words else Drop(key=str(n), reason=NO_RULES)


@cache
def numbers() -> tuple[int, ...]:
    """Return 500 different numbers from 11 to 999, in the same shuffled order in every run."""
    return tuple(sorted(range(11, 1000), key=lambda n: hashlib.sha256(f"number:{n}".encode()).digest())[:500])
