"""The language gate: whether an answer is in the language it should be in, line by line.

As the line-level pass of Marchisio et al. 2024 (arXiv 2406.20052, section 3), but weighed by letters, so that an answer that
quotes one foreign line is not lost for it: code, addresses and formulas are left out, and of the letters in lines whose language
can be told, at most a share may be foreign.
"""

from __future__ import annotations

import re

from polylect import languages

__all__ = ["FOREIGN_SHARE", "in_right_language"]

FOREIGN_SHARE = 0.25
"""Largest share of the letters that may stand in lines of another language: a default, chosen here."""

_BLOCK = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|\$\$.*?\$\$|\\\[.*?\\\]", re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`|(?:https?://|www\.)\S+|\$[^$\n]+\$|\\\(.*?\\\)|</?\w[^>\n]*>")


def in_right_language(text: str, language: str, foreign_share: float = FOREIGN_SHARE) -> bool | None:
    """Tell whether an answer is in `language`; None where no line is long enough to tell.

    Raises:
        LanguageError: the tag names no known language.
    """
    prose = _INLINE.sub(" ", _BLOCK.sub("\n", text))
    letters = {True: 0, False: 0}
    for line in prose.splitlines():
        verdict = languages.in_language(line, language) if line.strip() else None
        if verdict is not None:
            letters[verdict] += sum(map(str.isalpha, line))
    told = letters[True] + letters[False]
    return letters[False] <= foreign_share * told if told else None
