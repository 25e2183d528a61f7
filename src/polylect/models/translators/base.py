"""What every translator offers, and how a text is cut into the lines and sentences that translators know."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from polylect.languages import get

__all__ = ["Failure", "Translated", "Translator", "by_part", "sentences", "three_letter_codes"]


@dataclass(frozen=True)
class Failure:
    """Why a text has no translation: a short `reason` without secrets."""

    reason: str


Translated: TypeAlias = str | Failure


class Translator(Protocol):
    """Translates texts; it may be called from any thread, one call at a time.

    Attributes:
        name: what the tables call it.
        licence: of its translations, as far as known; "" where the translator sets no terms.
        may_train: whether its translations may train models; None: nobody said.
    """

    name: str
    licence: str | None
    may_train: bool | None

    @property
    def fingerprint(self) -> str:
        """What decides its translations besides the text."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Return a translation, or why there is none, per text, in order.

        Args:
            texts: in the language `source`; blank texts come back as they are.
            source: BCP-47 tag.
            target: BCP-47 tag.

        Raises:
            LanguageError: a tag names no known language.
            ModelError: nothing can be translated at all.
        """

    def close(self) -> None:
        """Give back what the translator holds."""


_LINES = re.compile(r"(\s*\n\s*)")
# Marks of most scripts with what closes a quotation, and white space behind them; full-width marks need none.
_MARKS = re.compile(r"[.!?؟۔।॥።…]+[\"'”’»)\]]*\s+|[。！？]+(?![」』”’）])\s*")
_NO_END = re.compile(r"(?:^\d+|\b[A-Z])\.\s+$")
"""The number of a list's item, the initial of a name."""


def sentences(line: str) -> list[str]:
    """Cut a line into sentences at the marks that end them in most scripts."""
    found, start = [], 0
    for match in _MARKS.finditer(line):
        part = line[start : match.end()]
        if not _NO_END.search(part):
            found.append(part.strip())
            start = match.end()
    return [*found, line[start:].strip()] if line[start:].strip() else found


def by_part(
    texts: Sequence[str], cut: Callable[[str], list[str]], joint: str, work: Callable[[list[str]], list[Translated]]
) -> list[Translated]:
    """Translate texts part by part, line breaks and outer white space as they were.

    Args:
        texts: what to translate.
        cut: cuts a line without white space around it into parts.
        joint: what stands between the translated parts of a line.
        work: translates all parts of all texts at once; equal parts are given once.
    """
    pieces = [_LINES.split(text) for text in texts]  # lines at even, line breaks at odd places
    lines = [line.strip() for piece in pieces for line in piece[::2]]
    wanted = list(dict.fromkeys(part for line in lines for part in cut(line)))
    found = dict(zip(wanted, work(wanted), strict=True)) if wanted else {}

    def one(piece: list[str]) -> Translated:
        done = []
        for place, line in enumerate(piece):
            parts = [found[part] for part in cut(line.strip())] if place % 2 == 0 else []
            for part in parts:
                if isinstance(part, Failure):
                    return part
            core = line.strip()
            new = joint.join(part for part in parts if isinstance(part, str))
            done.append(line.replace(core, new, 1) if core and parts else line)
        return "".join(done)

    return [one(piece) for piece in pieces]


def three_letter_codes(tag: str) -> list[str]:
    """Return the ISO 639-3 codes of a language: the table's own, then those of the variety that stands for a macrolanguage."""
    row = get(tag)
    return [row.iso639_3, *(alias for alias in row.aliases if len(alias) == 3)]
