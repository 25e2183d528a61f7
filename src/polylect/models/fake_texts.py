"""What fake models say: the right answer, and the ways in which an answer can be wrong, each told from the others by a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import xxhash

__all__ = ["Known", "Texts", "cut", "hash64", "made_up_answer", "tokens"]

Known: TypeAlias = Mapping[str, tuple[str, str]] | Callable[[str], tuple[str, str]]
"""Text of a prompt -> (language, reference): a table, or a function for prompts that are made on the fly."""

_SPREAD = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio, odd (Knuth, The Art of Computer Programming 3, 6.4): scatters multiples over 64 bits."""

_OTHER = {
    "en": "The answer is given here in another language than the one of the question.",
    "ru": "Ответ дан здесь не на том языке, на котором был задан вопрос.",
    "es": "La respuesta se da aquí en un idioma distinto del de la pregunta.",
}
_REFUSAL = "I'm sorry, but as an AI language model I cannot help with that request."
_REPEATS = 24


def hash64(text: str, seed: int = 0) -> int:
    """Return 64 bits (XXH3) that depend on `text` and `seed` alone, the same in every process."""
    return xxhash.xxh3_64_intdigest(text.encode(), seed)


def made_up_answer(text: str) -> str:
    """Return the right answer to a prompt of which nothing is known: a whole number below a million."""
    return str(hash64(text) % 1_000_000)


def tokens(text: str) -> int:
    """Return the number of tokens that a fake model counts: one per 4 bytes of UTF-8, begun ones included."""
    return (len(text.encode()) + 3) // 4


def cut(text: str, most: int) -> str:
    """Return the longest beginning of `text` that has at most `most` tokens."""
    return text.encode()[: 4 * most].decode(errors="ignore")


class Texts:
    """Answers to prompts of which the right answer is known or made up.

    Without `known` the right answer to a text is `made_up_answer`: a number, which is in every language.

    Args:
        known: the language and the right answer of the prompts; a text that a table lacks is answered as without one.
    """

    def __init__(self, known: Known | None) -> None:
        self._table = known if isinstance(known, Mapping) else None
        self._function = None if known is None or isinstance(known, Mapping) else known
        self._answers: dict[str, list[str]] = {}
        for language, answer in (self._table or {}).values():
            self._answers.setdefault(language, []).append(answer)

    def look_up(self, text: str) -> tuple[str, str] | None:
        """Return the language and the right answer of a prompt, if known."""
        if self._table is not None:
            return self._table.get(text)
        return None if self._function is None else self._function(text)

    def make(self, kind: str, text: str, language: str, right: str, number: int) -> tuple[str, str]:
        """Return an answer of a kind ("good", "wrong", or a fault of `polylect.models.fakes`) and its finish reason.

        Args:
            kind: of the answer.
            text: the prompt.
            language: of the prompt, "" if unknown.
            right: its right answer.
            number: 64 bits that decide what is left to chance.
        """
        if kind == "good":
            return right, "stop"
        if kind == "wrong":
            return self._wrong(right, language, number), "stop"
        if kind == "wrong_language":
            return _foreign(text, language, number), "stop"
        if kind == "repeated":
            return " ".join([right or "0"] * _REPEATS), "length"
        if kind == "truncated":
            return right[: (len(right) + 1) // 2], "length"
        return {"empty": "", "echo": text, "refusal": _REFUSAL}[kind], "stop"

    def _wrong(self, right: str, language: str, number: int) -> str:
        """Return the answer to another prompt in the same language, else the right one with its parts moved."""
        answers = self._answers.get(language)
        if answers:
            start = _scatter(number, len(answers))
            for step in range(min(len(answers), 32)):
                answer = answers[(start + step) % len(answers)]
                if answer != right:
                    return answer
        words = right.split()
        parts, glue = (words, " ") if len(words) > 1 else (list(right), "")
        moved = glue.join([*parts[1:], *parts[:1]])
        return moved if moved != right else f"{right}{glue}{right or '0'}"


def _foreign(text: str, language: str, number: int) -> str:
    """Return a sentence in another language, long enough to be identified: the right answers of a table may be single words."""
    if not language:
        return _OTHER["ru" if text.isascii() else "en"]
    foreign = [sentence for other, sentence in _OTHER.items() if other != language]
    return foreign[_scatter(number, len(foreign))]


def _scatter(number: int, size: int) -> int:
    """Return an index below `size` from bits that the choice of the kind has not used up."""
    return ((number * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> 32) % size
