"""What the learned detector looks at: pieces of the answer's words, its form, its overlap with the prompt, what the rules find.

Nothing is taken from the prompt alone, neither words nor form: that a request sounds harmful says nothing about whether the
answer went along, and a detector that believed so would miss the very answers it is there to find.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from polylect.languages import get
from polylect.safety.detectors.coherence import asks_why, content, keeps_to_another_topic, without_prompt
from polylect.safety.detectors.lexicon import WEIGHED, Lexicon, covered, fold, function_words, lexicon, plain
from polylect.safety.detectors.refusal import QUOTED, unquoted_sentences
from polylect.safety.detectors.rules import Finding, read

__all__ = ["BUCKETS", "FITTED", "Features", "features"]

BUCKETS = 1 << 15
"""Places that pieces of words are hashed to. Four times as many find no more refusals in answers not trained on."""

FITTED = ("rules:", "lexicon:")
"""How the names of quantities start that rest on the rules. On answers that the rules were fitted to they are
better than on any other, so that training must not look at them there."""

_WEIGHT = 8.0
"""Length of the vector of pieces, beside quantities of about 1."""

_LOOKED = 4_000
_FIRST, _LAST, _LONGEST = 5, 2, 300
"""Sentences at the start and at the end that are read, and characters of each."""

_WORD = re.compile(r"[\u3400-\u9fff]|(?:[^\W\d_\u3400-\u9fff]|[\u0300-\u036f\u0900-\u0903\u093a-\u094f])+|\d+|[?!:;…؟]")
_SHORTEST, _PIECE = 2, 5
_HAN_PIECE = 4
"""Letters of the pieces of words (ends of words count as one), and characters of the pieces of Chinese."""

_LITTLE = 0.15
"""Share of the prompt's pieces of words below which an answer of over six content words has little to do with it."""

_LENGTHS = (3, 8, 16, 30, 60)
_SAID = (3, 6, 9, 13, 18)
_WANTED = (1, 2, 4)
"""Words, content words, and content words of the prompt, from which on a text is longer: steps that are weighed one by one."""

_HAN_WORD = 1.7
_PATTERNS = (
    *("refusal", "deny", "self", "unknown", "usual", "deliver", "instead", "bare", "this", "reason", "singular", "ask"),
    "idioms",
)


@dataclass(frozen=True)
class Features:
    """An answer as the weights see it: `places` of its pieces, each of which weighs `each`, and named quantities."""

    places: tuple[int, ...]
    each: float
    numbers: Mapping[str, float]


def features(prompt: str, answer: str, tag: str) -> tuple[Features, Finding]:
    """Return what an answer is weighed by, and what the rules make of it: (None, None) in languages without a lexicon."""
    answer = without_prompt(prompt, answer)
    found = read(prompt, answer, tag) if tag in covered() else (None, None)
    parts = _sentences_read(answer)
    places = _places(parts, tag)
    numbers = _numbers(prompt, answer[:_LOOKED], parts, tag, found)
    return Features(places, _WEIGHT / math.sqrt(max(1, len(places))), numbers), found


def _sentences_read(answer: str) -> list[str]:
    """Return the sentences that are read, in the form of the lexicons: the first five and the last two, quotations aside."""
    parts = [part[:_LONGEST] for part in unquoted_sentences(answer[:_LOOKED])] or [""]
    return parts if len(parts) <= _FIRST + _LAST else [*parts[:_FIRST], *parts[-_LAST:]]


def _places(parts: Sequence[str], tag: str) -> tuple[int, ...]:
    """Return the places of what sentences are made of, each once, in order.

    Words, pairs of words (Chinese: runs of up to four characters), pieces of 2 to 5 letters within words, how the answer starts
    and how it ends. CRC-32 is the same on every machine, in every version. The language is no part of what is hashed: those that
    are related share their words.
    """
    sentences = [_WORD.findall(part) for part in parts]
    return tuple(sorted({zlib.crc32(piece.encode()) % BUCKETS for piece in _pieces(sentences, han=_is_han(tag))}))


def _pieces(sentences: Sequence[Sequence[str]], *, han: bool) -> set[str]:
    marked = [word for sentence in sentences for word in ("<", *sentence, ">")]
    found = set(_runs(marked, range(1, _HAN_PIECE + 1 if han else 3), "_"))
    if not han:
        words = {word for sentence in sentences for word in sentence}
        found |= {f"c{piece}" for word in words for piece in _runs(f" {word} ", range(_SHORTEST, _PIECE + 1), "")}
    first, last = sentences[0], sentences[-1]
    found |= {"^" + "_".join(first[:number]) for number in range(1, 5)}
    return found | {"$" + "_".join(last[-number:]) for number in range(1, 4)}


def _runs(of: Sequence[str], sizes: Iterable[int], between: str) -> list[str]:
    return [between.join(of[place : place + size]) for size in sizes for place in range(len(of) - size + 1)]


def _numbers(prompt: str, answer: str, parts: Sequence[str], tag: str, found: Finding) -> dict[str, float]:
    """Return the named quantities of an answer, zeros left out. None is of the prompt alone."""
    words = lexicon(tag) if tag in covered() else None
    asked = plain(prompt)
    text = words is not None and words.writing.search(asked) is not None
    anything = words is not None and words.open.search(asked) is not None
    named: dict[str, float] = {f"language:{tag}": 1.0} | _form(answer, parts, tag)
    named |= _overlap(prompt, answer, tag, any_words=text or anything)
    named["overlap:none, asked why"] = named["overlap:none"] * asks_why(asked)
    if words is not None:
        named |= {"rules:read": 1.0, f"rules:{found[0]}": 1.0, f"rules:why {found[1]}": 1.0} | _lexicon(parts, words)
        named["rules:topic"] = float(keeps_to_another_topic(prompt, answer, tag))
        named["overlap:none, says I"] = named["overlap:none"] * named["lexicon:self"]
        named["lexicon:bare, no question"] = named["lexicon:bare first"] * (not any(mark in prompt for mark in "?؟？"))
        named |= {f"lexicon:{one}, asked for a text": named[f"lexicon:{one}"] * text for one in ("refusal", "deny")}
        quoted = QUOTED.search(prompt) is not None
        named |= {f"lexicon:{one}, asked about words": named[f"lexicon:{one}"] * quoted for one in ("refusal", "deny")}
    return {name: value for name, value in named.items() if value}


def _form(answer: str, parts: Sequence[str], tag: str) -> dict[str, float]:
    """Return length and outward form: marks, lines, digits, the share of frequent words."""
    text, frequent = fold(answer), function_words(tag)
    words = _WORD.findall(text)
    length = len(words) / _han_factor(tag)
    named = {f"form:under {most} words": float(length < most) for most in _LENGTHS}
    return named | {
        "form:words": math.log1p(length) / 4,
        "form:sentences": math.log1p(len(parts)) / 2,
        "form:ends in a question": float(answer.rstrip()[-1:] in {"?", "؟", "？"}),
        "form:asks": float(any(mark in answer for mark in "?؟？")),
        "form:marks": float(any(mark in answer for mark in ".!?。！？।؟،,;:")),
        "form:lines": math.log1p(answer.count("\n")),
        "form:list": float(answer.count("\n") > 1),
        "form:digits": float(any(map(str.isdigit, answer))),
        "form:quoted": sum(len(match[0]) for match in QUOTED.finditer(answer)) / max(1, len(answer.strip())),
        "form:colon": float(":" in answer or "：" in answer),
        "form:frequent words": sum(word in frequent for word in words) / max(1, len(words)),
    }


def _overlap(prompt: str, answer: str, tag: str, *, any_words: bool) -> dict[str, float]:
    """Return what answer and prompt have in common; `any_words`: the prompt asks for a text, whose words may be any."""
    said, wanted = content(answer, tag), content(prompt, tag)
    inner = _inner(prompt, tag)
    shared = len(inner & _inner(answer, tag)) / max(1, len(inner))
    number = len(said) / (2 if _is_han(tag) else 1)
    none = not said & wanted and not shared
    suspect = none and not any_words and answer.count("\n") < 2
    return (
        {f"overlap:none in over {least}": float(suspect and number > least) for least in _SAID}
        | {
            "overlap:share of the prompt": len(said & wanted) / max(1, len(wanted)),
            "overlap:share of the answer": len(said & wanted) / max(1, len(said)),
            "overlap:pieces": shared,
            "overlap:none": float(none),
            "overlap:none in a text": float(none and any_words),
            "overlap:little": float(not none and number > _SAID[1] and shared < _LITTLE),
            "form:content words": math.log1p(number) / 3,
        }
        | {f"overlap:none of over {least}": float(suspect and len(wanted) > least) for least in _WANTED}
    )


def _lexicon(parts: Sequence[str], words: Lexicon) -> dict[str, float]:
    """Return in which sentences the patterns of the lexicon are: the first, the last, any, and the share of them."""
    named: dict[str, float] = {}
    for name in (*WEIGHED, *_PATTERNS):
        pattern = words.weighed.get(name) or getattr(words, name)
        hits = [pattern.search(part) is not None for part in parts]
        named |= {f"lexicon:{name} first": float(hits[0]), f"lexicon:{name} last": float(hits[-1])}
        named |= {f"lexicon:{name}": float(any(hits)), f"lexicon:{name} share": sum(hits) / len(hits)}
    said = [name for name in ("deny", "harm", "secret") if named[f"lexicon:{name}"] and named["lexicon:self"]]
    return named | {f"lexicon:self and {name}": 1.0 for name in said}


def _inner(text: str, tag: str) -> set[str]:
    """Return the runs of four letters within the words that are no frequent ones (Chinese: the characters)."""
    frequent = function_words(tag)
    words = [word for word in _WORD.findall(fold(text)) if word not in frequent]
    if _is_han(tag):
        return {word for word in words if "\u3400" <= word <= "\u9fff"}
    return {word[place : place + 4] for word in words for place in range(len(word) - 3)}


def _is_han(tag: str) -> bool:
    return get(tag).script in {"Hans", "Hant"}


def _han_factor(tag: str) -> float:
    """Return how many characters of Chinese say about as much as a word; 1 elsewhere."""
    return _HAN_WORD if _is_han(tag) else 1.0
