"""Cutting long texts into passages: at paragraphs, else at ends of sentences in any script, else between words or characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["passages", "sentences"]

# A full stop of a script that sets spaces ends a sentence before a space only; those of Han, Devanagari, Ethiopic and
# others always.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？｡．][」』”’）]*|[।॥۔؟።፧։។៕။]+[\"'”’»)\]]*|\n+")
# An initial or a title is no end: "Dr. Ali", "J. R. R. Tolkien".
_NOT_END = re.compile(r"(?:^|[\s(])(?:[^\W\d_]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Nr|No|vs|им|ул)\.$")
_PARAGRAPH = re.compile(r"\n\s*\n")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\uffef]")


def passages(text: str, *, most: int = 1200, fewest: int = 0) -> list[str]:
    """Return passages of at most `most` characters, in order: all of the text but white space and what is left out below.

    Neighbouring paragraphs share a passage while they fit; one that does not fit is cut between sentences, and a sentence that
    does not fit between words, or characters where there are no spaces.

    Args:
        text: any text; blank lines part paragraphs.
        most: characters of a passage, at most.
        fewest: shorter passages are left out.
    """
    found: list[str] = []
    for paragraph in filter(None, map(str.strip, _PARAGRAPH.split(text))):
        parts = [paragraph] if len(paragraph) <= most else _gathered(sentences(paragraph), most)
        for part in parts:
            if found and len(found[-1]) + len(part) + 2 <= most:
                found[-1] = f"{found[-1]}\n\n{part}"
            else:
                found.append(part)
    return [passage for passage in found if len(passage) >= fewest]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, stripped, by the marks of its script; Thai and Lao, which set none, stay whole per line."""
    found, start = [], 0
    for end in _END.finditer(text):
        if _NOT_END.search(text[start : end.end()]) is None:
            found.append(text[start : end.end()].strip())
            start = end.end()
    return [sentence for sentence in [*found, text[start:].strip()] if sentence]


def _gathered(pieces: list[str], most: int) -> list[str]:
    """Join neighbouring sentences while they fit; cut those that do not."""
    found: list[str] = []
    for piece in (part for sentence in pieces for part in _cut(sentence, most)):
        gap = "" if found and _UNSPACED.match(piece) and _UNSPACED.match(found[-1][-1]) else " "
        if found and len(found[-1]) + len(gap) + len(piece) <= most:
            found[-1] += gap + piece
        else:
            found.append(piece)
    return found


def _cut(sentence: str, most: int) -> Iterator[str]:
    """Yield pieces of at most `most` characters, cut at the last space of each that leaves at least half of it."""
    while len(sentence) > most:
        place = sentence.rfind(" ", most // 2, most + 1)
        place = place if place > 0 else most
        yield sentence[:place].rstrip()
        sentence = sentence[place:].lstrip()
    if sentence:
        yield sentence
