"""Choices of parallel sets: their letters, and the several ways in which the right one is named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.benchmarks.multiple_choice import LETTERS

__all__ = ["letter_free", "option_fields", "right_option"]


def letter_free(choices: Sequence[str]) -> tuple[str, ...]:
    """Return the choices without "(A) ", "A. " where every one begins with its own letter."""
    patterns = [re.compile(rf"^\s*\(?{letter}[).:]\s*") for letter in LETTERS[: len(choices)]]
    if all(pattern.match(choice) for pattern, choice in zip(patterns, choices, strict=False)):
        return tuple(pattern.sub("", choice) for pattern, choice in zip(patterns, choices, strict=False))
    return tuple(choices)


def right_option(where: str, answer: Any, choices: Sequence[str], options: Sequence[str]) -> int:
    """Return the index of the right option, which the data name by its text, its letter ("B", "(B)") or its index from 0.

    Raises:
        DataError: the answer names none, or two.
    """
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(options):
        return answer
    text = answer.strip() if isinstance(answer, str) else ""
    for named in (list(choices), list(options)):
        if [choice.strip() for choice in named].count(text) == 1:
            return [choice.strip() for choice in named].index(text)
    letter = re.fullmatch(r"\(?([A-J])[).:]?", text)
    if letter and LETTERS.index(letter[1]) < len(options):
        return LETTERS.index(letter[1])
    raise DataError(
        f"{where}: the answer {answer!r} names none of the choices {list(choices)!r}, neither by text, letter nor index. "
        "Correct the row."
    )


def option_fields(question: str, options: Sequence[str]) -> dict[str, str]:
    """Return the fields that the lettered prompt is made of."""
    return {"question": question, **{f"option_{LETTERS[place].lower()}": option for place, option in enumerate(options)}}
