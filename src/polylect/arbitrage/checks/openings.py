"""How an answer begins and ends: copies of the prompt, refusals, ends in the middle."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from polylect.arbitrage.checks.settings import Checks, Finding
from polylect.records import Completion, Prompt

__all__ = ["echo_finding", "refusal_finding", "refusal_languages", "truncation_finding"]

_SENTENCE_END = re.compile(r"[.!?。！？।؟۔\n]")
_BEGINNING = 400
"""Characters of an answer that are its beginning."""

_PUNCTUATION = re.compile(r"[^\w'\s\u0300-\u036f\u0900-\u0963\u0966-\u0dff\u0e00-\u0e7f\u200c]+|_")
_POINTS = re.compile(r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670]")
"""Hebrew points, Arabic tashkeel and tatweel, which are written or not."""

_APOSTROPHES = str.maketrans("’‘ʼ`´", "'''''")
_BLANKS = re.compile(r"\s+")
_DANGLING = frozenset(",،、，;؛；:：-–—(（[［{「『“„«/&+=")
_BRACKETS = {")": "(", "]": "[", "}": "{", "）": "（", "」": "「", "』": "『", "】": "【"}


def truncation_finding(completion: Completion, settings: Checks) -> Finding | None:
    """Return the finding where the answer was cut off, else None.

    A finish reason of "length" says so. Where the endpoint says neither that nor "stop", an end that leaves something open is
    taken for a cut: a heuristic, as an answer may be cut behind a full stop, and one may end in a comma by itself.
    """
    if completion.finish_reason == "length":
        return Finding("truncated", f"after {completion.completion_tokens} tokens") if settings.truncation else None
    if not settings.open_end or completion.finish_reason == "stop":
        return None
    text = completion.text.rstrip()
    if text.count("```") % 2:
        return Finding("truncated: open end", "a code block is open")
    if text[-1:] in _DANGLING:
        return Finding("truncated: open end", f"ends in {text[-1]!r}")
    opened = _open_bracket(text.rpartition("\n\n")[2])
    return Finding("truncated: open end", f"{opened!r} is open") if opened else None


def _open_bracket(text: str) -> str:
    """Return the last bracket that is not closed, "" without any; a closing one alone, as in a) b), is none."""
    stack: list[str] = []
    for character in text:
        if character in _BRACKETS.values():
            stack.append(character)
        elif stack and _BRACKETS.get(character) == stack[-1]:
            stack.pop()
    return stack[-1] if stack else ""


def echo_finding(text: str, prompt: Prompt, settings: Checks) -> Finding | None:
    """Return the finding where the answer begins with the whole prompt, letters and digits compared, else None."""
    asked = _prompt_letters(prompt.text)
    if not asked:
        return None
    given = _letters(text[: 2 * len(prompt.text) + 100])
    if given == asked:
        return Finding("prompt echo", "the answer is the prompt")
    echoed = len(asked) >= settings.echo_letters and given.startswith(asked)
    return Finding("prompt echo", "the answer begins with the prompt") if echoed else None


@lru_cache(maxsize=4096)
def _prompt_letters(text: str) -> str:
    return _letters(text)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


@dataclass(frozen=True)
class _Phrases:
    """The phrases of one language and English, in the form of `_key`; see refusals.toml for their meaning."""

    apologies: tuple[str, ...]
    skips: tuple[str, ...]
    starts: tuple[str, ...]
    holds: tuple[str, ...]
    boilerplate: tuple[str, ...]


def refusal_finding(text: str, prompt: Prompt) -> Finding | None:
    """Return the finding where the answer begins with a refusal, or with speech about being a model, else None.

    Heuristic: phrases of the prompt's language and of English (refusals.toml) at the beginning only, after apologies; "cannot"
    further on is part of an answer. Refusing is right for some prompts: turn the check off for those.
    """
    phrases = _phrases(prompt.language.partition("-")[0])
    beginning = text[:_BEGINNING].lstrip("\"'*_#>- \n\t“„«")
    head = _key(beginning)
    rest, sorry = _without(head, phrases)
    if _begins(rest, phrases.boilerplate):
        return Finding("boilerplate", beginning[:60])
    if rest.startswith(phrases.starts):
        return Finding("refusal", beginning[:60])
    if sorry and phrases.holds:
        # The apology may be a sentence of its own, so the sentence that ends after it counts.
        sentences = [_key(part) for part in _SENTENCE_END.split(beginning) if part.strip()][:2]
        if any(phrase in sentence for sentence in sentences for phrase in phrases.holds):
            return Finding("refusal", beginning[:60])
    return None


def refusal_languages() -> tuple[str, ...]:
    """Return the first subtags of the languages that have phrases of their own, sorted."""
    return tuple(sorted(_data()))


def _without(head: str, phrases: _Phrases) -> tuple[str, bool]:
    """Return what follows the apologies and the like at the beginning, and whether there is an apology."""
    sorry = False
    while True:
        apology = _begins(head, phrases.apologies)
        opener = apology or _begins(head, phrases.skips)
        if not opener:
            return head, sorry
        sorry = sorry or bool(apology)
        head = head[len(opener) :].lstrip()


def _begins(head: str, phrases: tuple[str, ...]) -> str:
    """Return the longest of `phrases` (longest first) that `head` begins with as whole words, "" without any."""
    if not head.startswith(phrases):
        return ""
    return next((phrase for phrase in phrases if head.startswith(phrase) and _ends_word(head, len(phrase))), "")


def _ends_word(head: str, end: int) -> bool:
    """Tell whether a word ends at `end`; in Thai, Chinese, Japanese and Korean the next word or an ending may follow at once."""
    return not head[end : end + 1].isalpha() or "\u0e00" <= head[end - 1] <= "\u0e7f" or "\u3000" <= head[end] <= "\ud7ff"


@cache
def _phrases(base: str) -> _Phrases:
    rows = [_data()[tag] for tag in dict.fromkeys((base, "en")) if tag in _data()]

    def keys(field: str) -> tuple[str, ...]:
        return tuple(sorted({_key(phrase) for row in rows for phrase in row.get(field, [])}, key=lambda key: (-len(key), key)))

    return _Phrases(keys("apologies"), keys("skips"), keys("starts"), keys("holds"), keys("boilerplate"))


@cache
def _data() -> dict[str, dict[str, list[str]]]:
    file = resources.files("polylect.arbitrage.checks") / "refusals.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _key(text: str) -> str:
    """Return text as phrases are compared: case-folded, apostrophes of one form, marks dropped, single spaces."""
    plain = _POINTS.sub("", text.translate(_APOSTROPHES)).casefold()
    return _BLANKS.sub(" ", _PUNCTUATION.sub(" ", plain)).strip()
