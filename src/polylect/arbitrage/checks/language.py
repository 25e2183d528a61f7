"""Whether every line of an answer is in the language of its prompt (Marchisio et al. 2024, line-level pass; docs/checks.md)."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from functools import lru_cache

from polylect import languages
from polylect.arbitrage.checks.settings import Checks, Finding
from polylect.languages.scripts import letter_scripts, scripts_of
from polylect.records import Prompt

__all__ = ["language_finding"]

_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|\$\$.*?\$\$|\\\[.*?\\\]", re.DOTALL)
_NOT_PROSE = re.compile(
    r"`[^`\n]*`"  # code
    r"|(?:https?://|www\.)\S+|\S+@\S+\.\w+|[\w-]+(?:\.[\w-]+)+(?:/\S*)?"  # addresses, file names
    r"|\$[^$\n]+\$|\\\(.*?\\\)|</?\w[^>\n]*>"  # formulas, tags
    r"|[“„«「『《〈‘‹\"][^”“»」』》〉’›\"\n]{1,200}[”“»」』》〉’›\"]"  # quotations and titles
    r"|[(（\[［][^)）\]］\n]{1,200}[)）\]］]"  # in brackets: the original name, the foreign term
)
_DENSE = frozenset({"Hang", "Hani", "Hira", "Kana"})
_DENSE_LETTER = 2.5
"""Letters of an alphabet that say as much as one of these scripts (as the thresholds of `polylect.languages` have it): Japanese
with product names in Latin letters is Japanese."""

_SURE = 0.9
"""Least probability of another language: a name of three words is easily taken for one of a neighbour."""

_TOKEN = re.compile(r"[^\W\d_]+")


def language_finding(text: str, prompt: Prompt, settings: Checks) -> Finding | None:
    """Return the finding where `text` is not in `prompt.language`, else None.

    Each line is identified alone. A line that seems to be in another language is looked at again without code, addresses,
    formulas, quotations, brackets and the words of the prompt; what is left has to be long enough to tell. So a foreign title or
    name in a line is not counted, and lines that are right, which most are, cost one identification.
    """
    if any(fnmatchcase(prompt.kind, pattern) for pattern in settings.exempt):
        return None
    prose = _CODE.sub("\n", text) if "`" in text or "~~~" in text or "$$" in text or "\\[" in text else text
    verdicts = [(line, _foreign(line, prompt, settings)) for line in prose.splitlines() if not line.isspace() and line]
    foreign: Counter[str] = Counter()
    for line, found in verdicts:
        if found:
            foreign[found] += letter_scripts(line).total()
    if foreign:
        told = sum(letter_scripts(line).total() for line, found in verdicts if found is not None)
        share = foreign.total() / told
        if share > settings.foreign_lines:
            lines = sum(bool(found) for _, found in verdicts)
            names = ", ".join(name for name, _ in foreign.most_common())
            detail = f"{lines} of {len(verdicts)} lines ({share:.0%} of the letters of lines that can be told) in {names}"
            return Finding(f"wrong language: line in {foreign.most_common(1)[0][0]}", detail)
    return _other_script(prose, prompt, settings)


def _foreign(line: str, prompt: Prompt, settings: Checks) -> str | None:
    """Return the language (or "script Xxxx") of a line in another one, "" for a right one, None where that cannot be told."""
    verdict = languages.in_language(line, prompt.language)
    if verdict is not False:
        return "" if verdict else None
    rest = _prose(line, prompt)
    verdict = languages.in_language(rest, prompt.language)
    if verdict is not False:
        return "" if verdict else None
    scripts = letter_scripts(rest)
    own = scripts_of(languages.get(prompt.language).script)
    if own & _DENSE and _DENSE_LETTER * sum(scripts[script] for script in own) >= scripts["Latn"] > scripts.total() / 2:
        return None
    found = languages.identify(rest)
    if found.language is not None:
        sure = found.probability >= _SURE and found.language != languages.canonical(prompt.language)
        return found.language if sure else None
    main, _ = scripts.most_common(1)[0]
    return f"script {main}" if main not in own and scripts.total() >= settings.script_letters else None


def _other_script(prose: str, prompt: Prompt, settings: Checks) -> Finding | None:
    """Find runs of a third script within lines, such as Chinese words in a Russian text; Latin ones are names and terms."""
    own = scripts_of(languages.get(prompt.language).script) | {"Latn", "Zzzz"}
    if prose.isascii() or not _too_many(letter_scripts(prose), own, settings):
        return None
    found = _too_many(letter_scripts(_prose(prose, prompt)), own, settings)
    return Finding(f"wrong language: script {found[0]}", f"{found[1]:.0%} of the letters") if found else None


def _too_many(scripts: Counter[str], own: frozenset[str], settings: Checks) -> tuple[str, float] | None:
    others = Counter({script: number for script, number in scripts.items() if script not in own})
    total = others.total()
    if total < min(4, settings.script_letters) or total <= settings.other_scripts * scripts.total():
        return None
    return others.most_common(1)[0][0], total / scripts.total()


def _prose(text: str, prompt: Prompt) -> str:
    """Return `text` without what may be in any language."""
    words = _words(prompt.text)
    return _TOKEN.sub(lambda token: "" if token[0].casefold() in words else token[0], _NOT_PROSE.sub(" ", text))


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(token.casefold() for token in _TOKEN.findall(text))
