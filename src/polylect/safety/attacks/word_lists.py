"""Word for word into another language: by a bilingual list that the user gives, or by a translator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from polylect import languages
from polylect.errors import DataError, LanguageError
from polylect.models.translators import Failure
from polylect.safety.rows import columns_of, rows_of

if TYPE_CHECKING:
    from polylect.models.translators import Translator

__all__ = ["TranslatedWords", "WordList", "WordSource"]


class WordSource(Protocol):
    """Gives words in another language, in lower case."""

    def learn(self, words: Iterable[str], language: str, into: str) -> None:
        """Look up all words that will be asked for."""

    def word(self, word: str) -> str | None:
        """Return a word of the other language; None where there is none, or where it is the same word."""

    def comes_back(self, word: str) -> bool | None:
        """Tell whether the other language's word leads back to `word` and to nothing else; None where nothing tells."""


class WordList:
    """A bilingual word list: columns `language word into translation`, or a column per language.

    Of several translations the first counts. A word whose translation has other sources in the list does not come back.

    Raises:
        DataError: the table cannot be read, or has neither form.
    """

    def __init__(self, path: Path) -> None:
        self._pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for language, word, into, translation in _entries(path):
            self._pairs[language, into].append((word.lower(), translation.lower()))
        self._words: dict[str, str] = {}
        self._sources: dict[str, set[str]] = {}

    def learn(self, words: Iterable[str], language: str, into: str) -> None:
        """Take the entries between two languages; those of the opposite direction serve too."""
        opposite = [(word, translation) for translation, word in self._pairs[into, language]]
        self._words, self._sources = {}, defaultdict(set)
        for word, translation in [*self._pairs[language, into], *opposite]:
            self._words.setdefault(word, translation)
            self._sources[translation].add(word)

    def word(self, word: str) -> str | None:
        """Return the first translation in the list."""
        found = self._words.get(word)
        return None if found == word else found

    def comes_back(self, word: str) -> bool | None:
        """Tell whether the translation has no other source in the list."""
        return self._sources[self._words[word]] == {word}


class TranslatedWords:
    """Words translated one by one, and back."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._there: dict[str, str] = {}
        self._back: dict[str, str | None] = {}

    def learn(self, words: Iterable[str], language: str, into: str) -> None:
        """Translate all words in one call, and their translations back in another."""
        wanted = sorted(set(words))
        found = dict(zip(wanted, self._translator.translate(wanted, language, into), strict=True))
        self._there = {word: new.lower() for word, new in found.items() if not isinstance(new, Failure) and new.strip()}
        there = sorted(set(self._there.values()))
        again = self._translator.translate(there, into, language)
        self._back = {new: None if isinstance(back, Failure) else back.lower() for new, back in zip(there, again, strict=True)}

    def word(self, word: str) -> str | None:
        """Return the translation."""
        found = self._there.get(word)
        return None if found == word else found

    def comes_back(self, word: str) -> bool | None:
        """Tell whether the back-translation of the translation is the word."""
        back = self._back[self._there[word]]
        return None if back is None else back == word


def _entries(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield (language, word, other language, translation)."""
    columns = columns_of(path)
    if {"language", "word", "into", "translation"} <= set(columns):
        for row in rows_of(path):
            yield row.language(), row.required("word"), row.language("into"), row.required("translation")
        return
    tags = {column: tag for column in columns if (tag := _tag(column)) is not None}
    if len(tags) < 2:
        raise DataError(
            f"{path}: the columns {', '.join(columns)} are not those of a word list. Give language, word, into, translation, "
            "or one column per language, named by its tag (en, es)."
        )
    for row in rows_of(path):
        words = {tag: word for column, tag in tags.items() if (word := row.text(column)) is not None}
        yield from ((one, words[one], other, words[other]) for one in words for other in words if one != other)


def _tag(column: str) -> str | None:
    try:
        return languages.canonical(column)
    except LanguageError:
        return None
