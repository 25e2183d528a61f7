"""Language confusion: is an answer in the language that was asked for, line by line and word by word.

Marchisio et al. 2024, "Understanding and Mitigating Language Confusion in LLMs" (arXiv 2406.20052), section 3: the line-level
pass rate (LPR) is the share of answers all of whose lines are in the right language; the word-level pass rate (WPR) the share of
those, in languages of another script than English, without a stray English word; LCPR is the harmonic mean of both rates.
"""

from __future__ import annotations

import re

from polylect import languages

__all__ = ["WORD_LANGUAGES", "line_pass", "stray_word"]

WORD_LANGUAGES = frozenset({"ar", "hi", "ja", "ko", "ru", "zh-Hans", "zh-Hant"})
"""Languages whose script is not the Latin one, in which the paper looks at words."""

_WORD = re.compile(r"(?<![\w@./:#-])[a-z]{3,}(?![\w@/:-]|\.\w)")
"""A word of three or more small Latin letters that is no part of an address, a file name, a tag or a name with digits.

Capitalised words (names) and capitals (abbreviations) are not stray; the paper uses a list of English words instead."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\$[^$\n]*\$|\\[a-z]+", re.DOTALL)


def line_pass(text: str, language: str) -> tuple[float, str | None]:
    """Return 1 where no line is in a wrong language, else 0, with a remark where no line is long enough to tell."""
    verdict = languages.line_pass(text, language)
    return (1.0, "language undetermined") if verdict is None else (float(verdict), None)


def stray_word(text: str) -> str | None:
    """Return the first stray Latin word of a text in another script, None where there is none. Code is passed over."""
    found = _WORD.search(_CODE.sub(" ", text))
    return found[0] if found else None
