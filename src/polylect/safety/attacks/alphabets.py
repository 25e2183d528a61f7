"""Writing letter by letter in another script, and back: alphabets, and abugidas whose consonants carry a vowel."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

__all__ = ["Abugida", "Alphabet", "Reversed", "Scheme", "UncoveredError"]


class UncoveredError(ValueError):
    """A letter that a table does not have."""


class Scheme(Protocol):
    """Writes words in another script and back; which of the two scripts is Latin is for the table to say."""

    def write(self, word: str) -> str:
        """Return the word in the other script; raise `UncoveredError` for a letter that is not in the table."""

    def read(self, word: str) -> str:
        """Return the word in its own script; raise `UncoveredError` likewise."""


@dataclass(frozen=True)
class Alphabet:
    """Letters for letters; accents that the table does not have are kept on their letter, and so is case.

    Attributes:
        letters: lower-case letter -> what it becomes.
        final: letter -> the form that it has at the end of a word (σ, ς).
        exact: "s" and "S" are two letters (Buckwalter).
    """

    letters: Mapping[str, str]
    final: Mapping[str, str] | None = None
    exact: bool = False

    def write(self, word: str) -> str:
        """Return the word letter by letter."""
        return _each(unicodedata.normalize("NFC", word), self._letter)

    def read(self, word: str) -> str:
        """Return the word by the longest match at each place."""
        found = _longest(unicodedata.normalize("NFD", word), self._back, self.exact)
        if self.final and found and (last := self.final.get(found[-1])) is not None and len(found) > 1:
            found = found[:-1] + last
        return unicodedata.normalize("NFC", found)

    @cached_property
    def _back(self) -> dict[str, str]:
        finals = set((self.final or {}).values())
        pairs = ((unicodedata.normalize("NFD", new), old) for old, new in self.letters.items() if old not in finals)
        return dict(pairs)

    def _letter(self, character: str) -> str | None:
        return self.letters.get(character) if self.exact else _cased(character, self.letters.get(character.lower()))


@dataclass(frozen=True)
class Abugida:
    """A script of consonants that carry the vowel a unless a sign says otherwise (Devanagari); letters without case.

    Attributes:
        consonants: native -> Latin, without the vowel; a nukta is part of its consonant.
        vowels: Latin -> (letter that stands alone, sign behind a consonant); the inherent vowel has the sign "".
        marks: native -> Latin, of what stands behind a vowel (anusvara).
        virama: sign that takes the vowel away.
    """

    consonants: Mapping[str, str]
    vowels: Mapping[str, tuple[str, str]]
    marks: Mapping[str, str]
    virama: str

    def write(self, word: str) -> str:
        """Return a native word in Latin letters."""
        word, found, place = _without_joiners(unicodedata.normalize("NFC", word)), "", 0
        while place < len(word):
            size = 2 if word[place : place + 2] in self.consonants else 1
            part = word[place : place + size]
            place += size
            if part not in self.consonants:
                found += self._alone(part)
                continue
            sign = word[place : place + 1]
            vowel = "" if sign == self.virama else self._signs.get(sign) if sign else None
            found += self.consonants[part] + (self._inherent if vowel is None else vowel)
            place += sign == self.virama or vowel is not None
        return found

    def read(self, word: str) -> str:
        """Return the native word that Latin letters spell, by the longest match at each place."""
        word, found, place, bare = unicodedata.normalize("NFD", word.casefold()), "", 0, False
        while place < len(word):
            size = next((n for n in range(self._most, 0, -1) if word[place : place + n] in self._latin), 0)
            if not size:
                raise UncoveredError(word[place])
            kind, native = self._latin[word[place : place + size]]
            place += size
            if kind == "vowel":
                found += self.vowels[native][bare]
            else:
                found += (self.virama if bare else "") + native
            bare = kind == "consonant"
        return unicodedata.normalize("NFC", found + (self.virama if bare else ""))

    def _alone(self, part: str) -> str:
        for known in (self._letters, self.marks):
            if part in known:
                return known[part]
        raise UncoveredError(part)

    @cached_property
    def _signs(self) -> dict[str, str]:
        return {sign: latin for latin, (_, sign) in self.vowels.items() if sign}

    @cached_property
    def _letters(self) -> dict[str, str]:
        return {letter: latin for latin, (letter, _) in self.vowels.items()}

    @cached_property
    def _inherent(self) -> str:
        return next(latin for latin, (_, sign) in self.vowels.items() if not sign)

    @cached_property
    def _latin(self) -> dict[str, tuple[str, str]]:
        """Map Latin spellings (NFD) to their kind and the native letter, of vowels the key in `vowels`."""
        found = {latin: ("consonant", native) for native, latin in self.consonants.items()}
        found |= {latin: ("vowel", latin) for latin in self.vowels}
        found |= {latin: ("mark", native) for native, latin in self.marks.items()}
        return {unicodedata.normalize("NFD", latin): value for latin, value in found.items()}

    @cached_property
    def _most(self) -> int:
        return max(map(len, self._latin))


@dataclass(frozen=True)
class Reversed:
    """A scheme the other way round."""

    scheme: Scheme

    def write(self, word: str) -> str:
        """Read with the scheme."""
        return self.scheme.read(word)

    def read(self, word: str) -> str:
        """Write with the scheme."""
        return self.scheme.write(word)


def _each(word: str, letter: Callable[[str], str | None]) -> str:
    found = ""
    for character in word:
        new = letter(character)
        if new is None:
            parts = unicodedata.normalize("NFD", character)
            new = "".join(_part(part, letter) for part in parts)
        found += new
    return unicodedata.normalize("NFC", found)


def _part(part: str, letter: Callable[[str], str | None]) -> str:
    new = letter(part)
    if new is None and unicodedata.category(part)[0] == "L":
        raise UncoveredError(part)
    return part if new is None else new


def _longest(word: str, back: Mapping[str, str], exact: bool) -> str:
    """Replace the longest known spelling at each place; accents that belong to none stay."""
    found, place, most = "", 0, max(map(len, back))
    spelled = word if exact else word.lower()
    while place < len(word):
        size = next((n for n in range(most, 0, -1) if spelled[place : place + n] in back), 0)
        if not size and unicodedata.category(word[place])[0] == "L":
            raise UncoveredError(word[place])
        new = back[spelled[place : place + size]] if size else word[place]
        found += new if exact else _cased(word[place], new) or ""
        place += size or 1
    return found


def _cased(character: str, new: str | None) -> str | None:
    if new and character.isupper():
        return new[0].upper() + new[1:]
    return new


def _without_joiners(word: str) -> str:
    return word.replace("\u200c", "").replace("\u200d", "")
