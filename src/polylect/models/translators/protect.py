"""Spans of a prompt that a translation must not touch: code, formulas, URLs, addresses, placeholders, numbers.

All but numbers are replaced by marks before the translation and put back after it, exactly. Numbers decide grammar (one
file, two files), so that they are first left in the text: afterwards each is found again by its digits, in whatever
digits and grouping the translation writes them, and gets its original spelling. A second try masks them too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MARKS", "Masked", "Span", "bare", "mask", "restore", "spans"]

_LATEX = r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$(?![\s\d])(?:[^$\n]*?[\\^_={}+*/<>][^$\n]*?|\w)(?<!\s)\$(?!\d)"
# In the order in which they are looked for: what is inside a span of an earlier kind is part of it.
_KINDS = {
    "fence": r"^[ \t]*(?P<fence>```+|~~~+)[^\n]*\n(?:.*?\n)??[ \t]*(?P=fence)[ \t]*$",
    "code": r"(?P<tick>`+)(?!`)[^\n]+?(?<!`)(?P=tick)(?!`)",
    "formula": _LATEX,
    "url": r"(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>\"“”「」『』（）、。，]*[^\s<>\"“”「」『』（）、。，.,;:!?)\]}'’]",
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "tag": r"</?[A-Za-z][\w:-]*(?:\s[^<>\n]*)?/?>|<\|[^<>|\n]+\|>|&(?:[A-Za-z]+|#\d+);",
    "placeholder": (
        r"\{\{[^{}\n]+\}\}|\$\{[^{}\n]+\}|\{[^{}\s][^{}\n]{0,60}\}|\$[A-Z_][A-Z0-9_]*\b|%\(\w+\)[sdifgxr]"
        r"|(?<![\d%])%(?:\d+\$)?[-+0#]?\d*(?:\.\d+)?[sdifgxXeErc](?![^\W_])"
    ),
    "mention": r"(?<![\w.@])@[A-Za-z_][\w.]*\w",
}
# A space groups digits only in threes: "10 000" is one number, "10 20" are two.
_GROUPED = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,:/'’٫٬]\d+)*"

_PROTECTED = re.compile("|".join(f"(?P<{kind}_>{pattern})" for kind, pattern in _KINDS.items()), re.DOTALL | re.MULTILINE)
_NUMBERS = re.compile(_GROUPED)

MARKS = {"brackets": "[[{}]]", "word": "XPH{}X"}
"""How a masked span looks to the translator: brackets, which language models keep; a word of no language, which passes
through systems that drop or space out brackets."""

_FOUND = {
    # Translators set spaces, double or halve the brackets, use wide ones, and write native digits.
    "brackets": re.compile(r"[\[［【〔]\s*[\[［【〔]?\s*(\d+)\s*[\]］】〕]?\s*[\]］】〕]"),
    "word": re.compile(r"\*?X\s?P\s?H\s?(\d+)\s?X", re.IGNORECASE),
}


@dataclass(frozen=True)
class Span:
    """A protected part of a text, `text[start:end]`, and its kind."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Masked:
    """A text as the translator sees it.

    Attributes:
        text: with marks.
        kept: what stands behind mark 0, 1, ...
        numbers: the numbers that were left in the text.
        marks: how the marks look, a key of `MARKS`.
    """

    text: str
    kept: tuple[str, ...]
    numbers: tuple[str, ...]
    marks: str


def spans(text: str, *, numbers: bool = False) -> list[Span]:
    """Return the protected spans in order, which do not overlap; with `numbers` those too."""
    found: list[Span] = []
    for match in _PROTECTED.finditer(text):
        kind = next(kind for kind in _KINDS if match[f"{kind}_"] is not None)
        found.append(Span(match.start(), match.end(), kind))
    return _and_between(text, found, _NUMBERS, "number") if numbers else found


def _and_between(text: str, found: list[Span], pattern: re.Pattern[str], kind: str) -> list[Span]:
    """Return `found` and what `pattern` matches between them, in order."""
    edges = [0, *(place for span in found for place in (span.start, span.end)), len(text)]
    between = [
        Span(one.start(), one.end(), kind)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        for one in pattern.finditer(text, start, end)
    ]
    return sorted(found + between, key=lambda span: span.start)


def bare(text: str) -> str:
    """Return the text without its protected spans: what can be in a language."""
    return _PROTECTED.sub(" ", text)


def mask(text: str, *, marks: str = "brackets", numbers: bool = False) -> Masked:
    """Replace the protected spans of a text, and its numbers where `numbers` says so, by marks.

    A mark that the text holds already is a span as well, so that it comes back as it was.
    """
    found = _and_between(text, spans(text), _FOUND[marks], "mark")
    found = _and_between(text, found, _NUMBERS, "number")
    parts: list[str] = []
    kept: list[str] = []
    left: list[str] = []
    end = 0
    for span in found:
        piece = text[span.start : span.end]
        parts.append(text[end : span.start])
        if span.kind == "number" and not numbers:
            parts.append(piece)
            left.append(piece)
        else:
            parts.append(MARKS[marks].format(len(kept)))
            kept.append(piece)
        end = span.end
    return Masked("".join([*parts, text[end:]]), tuple(kept), tuple(left), marks)


def restore(masked: Masked, translation: str) -> tuple[str, str | None]:
    """Put the spans back into a translation of `masked.text`.

    Returns:
        The text and None, or as far as it could be restored and the reason why it is no translation: a span lost, repeated
        or invented, or a number lost, repeated or added.
    """
    pieces = list(_without_marks(translation, masked.marks))
    found = Counter(_digits(piece) for piece, taken in pieces if taken)
    parts: list[str] = []
    for piece, taken in pieces:
        known = taken and int(_digits(piece)) < len(masked.kept)
        parts.append(masked.kept[int(_digits(piece))] if known else piece)
    expected = Counter(str(number) for number in range(len(masked.kept)))
    if expected - found:
        return "".join(parts), "protected span lost"
    if found - expected:
        return "".join(parts), "protected span repeated" if set(found) == set(expected) else "protected span invented"
    plain = [place for place, (_, taken) in enumerate(pieces) if not taken]
    reason = _set_numbers(parts, plain, masked.numbers)
    return "".join(parts), reason


def _set_numbers(parts: list[str], plain: list[int], numbers: tuple[str, ...]) -> str | None:
    """Give the numbers in the `plain` ones of `parts` their original spelling; return what is wrong with them."""
    wanted: dict[str, list[str]] = {}
    for number in numbers:
        wanted.setdefault(_digits(number), []).append(number)
    added = False

    def original(match: re.Match[str]) -> str:
        nonlocal added
        spellings = wanted.get(_digits(match[0]))
        added |= not spellings
        return spellings.pop(0) if spellings else match[0]

    for place in plain:
        parts[place] = _NUMBERS.sub(original, parts[place])
    if any(wanted.values()):
        return "number lost"
    return "number added" if added else None


def _without_marks(text: str, marks: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text and whether each is a mark."""
    end = 0
    for match in _FOUND[marks].finditer(text):
        yield text[end : match.start()], False
        yield match[0], True
        end = match.end()
    yield text[end:], False


def _digits(text: str) -> str:
    """Return the digits of a text as ASCII, without what stands between them, and without zeros in front."""
    return "".join(str(unicodedata.decimal(c)) for c in text if c.isdecimal()).lstrip("0") or "0"
