"""Languages named in research prose: titles, abstracts and papers.

Prose of papers speaks of languages otherwise than a model card: "Polish tweets", "en-de", "Hindi-English code-mixing". A name
counts where its neighbours make it a language, not a nationality ("Danish patients"), a namesake ("Hungarian algorithm",
"Chinese restaurant process") or a verb ("Polish the prompt"). ISO codes count in pairs and lists, with a code that is no word.
Measured precision and recall: docs/survey.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from polylect.gap.language_names import names, resolve
from polylect.gap.survey.words import (
    AFTER,
    BEFORE,
    DOUBTFUL,
    ENGLISH_WORDS,
    FOLLOW,
    IMPERATIVE,
    NAMESAKES,
    NOT_AFTER,
    QUALIFIED,
)

__all__ = ["Named", "named_languages"]

_AROUND = 80
"""Characters on each side of a name that decide; a sentence of any length costs the same per name."""
_WORD = re.compile(r"(?<![\w@./])[^\W\d_a-z][\w'’ʼ]*")
_LINK = re.compile(r"\s*(?:[-–—/→&+]|->|,|;|(?:,\s*)?\b(?:and|or|to|versus|vs\.?)\b|(?:,\s*)?\bas well as\b)\s*(?:both\s+)?")
_LANGUAGE = re.compile(r"\s+(?:\w+\s+)?(?:languages?|speakers?|speaking|dialects?)\b|-(?:language|speaking)\b", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w@./])[a-z]{2,3}(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}))?(?![\w@/])")
_CODE_LINK = re.compile(r"\s*(?:[-–→>/|&↔]|->|<->|,|;|,?\s*\band\b|\bto\b|\bor\b)\s*")
_LINKS = frozenset({"to", "and", "or"})
"""Links of a list; the first is the code of Tongan, too."""
_PAIRED = re.compile(r"[-–→>↔]")
_STRONG = frozenset(
    {"en", "de", "fr", "es", "zh", "ru", "ar", "hi", "ja", "ko", "pt", "it", "nl", "tr", "pl", "cs", "vi", "sw", "fa", "uk"}
)
_START = re.compile(r"(?:^|[.!?:]\s+|[\"“(])$")
_VERB = re.compile(r"\s+(?:is|has|lacks|was|are|can|does|poses|remains|lags|and|belongs|words|uses|marks|makes)\b")


@dataclass(frozen=True)
class Named:
    """A language named in a text: its tags, and where the name begins and ends."""

    tags: tuple[str, ...]
    start: int
    end: int


def named_languages(text: str) -> list[Named]:
    """Return the languages that a text names as languages, in its order. The time is linear in the text."""
    found = [one for run in _runs(text) for one in _accepted(run, text)]
    return sorted([*found, *_codes(text)], key=lambda one: (one.start, one.end))


def _candidates(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, name) of every known name in the text, the longest at each place."""
    end = 0
    for word in _WORD.finditer(text):
        if word.start() < end or text[max(0, word.start() - 4) : word.start()].lower() == "non-":
            continue
        for name in _by_first().get(re.split(r"['’ʼ]", word[0])[0], ()):
            end_of = word.start() + len(name)
            if text.startswith(name, word.start()) and not text[end_of : end_of + 1].isalnum():
                end = end_of
                yield word.start(), end, name
                break


@cache
def _by_first() -> dict[str, tuple[str, ...]]:
    """Return first word -> names that begin with it, the longest first."""
    found: dict[str, list[str]] = {}
    for name in names():
        found.setdefault(re.split(r"[\s'’ʼ-]", name)[0], []).append(name)
    return {first: tuple(sorted(all_names, key=len, reverse=True)) for first, all_names in found.items()}


def _runs(text: str) -> Iterator[list[tuple[int, int, str]]]:
    """Yield names that only commas, hyphens, "and" and the like separate, together."""
    run: list[tuple[int, int, str]] = []
    for one in _candidates(text):
        if run and one[0] - run[-1][1] < 20 and _LINK.fullmatch(text, run[-1][1], one[0]):
            run.append(one)
            continue
        if run:
            yield run
        run = [one]
    if run:
        yield run


def _accepted(run: Sequence[tuple[int, int, str]], text: str) -> list[Named]:
    """Return the names of a run that stand for languages."""
    before, after = text[max(0, run[0][0] - _AROUND) : run[0][0]], text[run[-1][1] : run[-1][1] + _AROUND]
    if _is_other(run, text, before, after):
        return []
    language = bool(_LANGUAGE.match(after))
    certain = [one for one in run if one[2] not in DOUBTFUL]
    if len(certain) < 2 and not language and not _stands_alone(certain, before, after):
        return []
    kept = run if language or len(certain) >= 2 else certain
    return [Named((names()[name],), start, end) for start, end, name in kept]


def _stands_alone(certain: Sequence[tuple[int, int, str]], before: str, after: str) -> bool:
    """Return whether a single name stands where only a language does."""
    if not certain:
        return False
    if certain[0][2].endswith("Language") or QUALIFIED.search(before):
        return True
    if AFTER.match(after) or (BEFORE.search(before) and FOLLOW.match(after)):
        return True
    return bool(_START.search(before) and _VERB.match(after))


def _is_other(run: Sequence[tuple[int, int, str]], text: str, before: str, after: str) -> bool:
    """Return whether the run is a nationality, a namesake or a verb."""
    name = run[-1][2]
    stop = NAMESAKES.get(name)
    if stop and re.match(rf"[\s-]+(?:{stop})", after, re.IGNORECASE):
        return True
    if name == "Polish" and (IMPERATIVE.match(after) or before.rstrip().endswith("Reverse")):
        return True
    if name == "English" and re.match(r"\s+(?:and|or)\s+\w+\s+(?:departments?|teachers?)", after):
        return True
    noun = NOT_AFTER.match(after)
    # "Finnish users" is a nationality, "Finnish text of users" is not: the nearer noun decides.
    return bool(noun) and not ((word := AFTER.match(after)) and noun is not None and word.end() < noun.end())


def _codes(text: str) -> Iterator[Named]:
    """Yield ISO codes in pairs ("en-de") and lists ("de, fr, it")."""
    run: list[re.Match[str]] = []
    for found in [*(one for one in _CODE.finditer(text) if one[0] not in _LINKS), None]:
        if run and found and found.start() - run[-1].end() < 8 and _CODE_LINK.fullmatch(text, run[-1].end(), found.start()):
            run.append(found)
            continue
        yield from _accepted_codes(run, text)
        run = [found] if found else []


def _accepted_codes(run: Sequence[re.Match[str]], text: str) -> list[Named]:
    """Return the codes of a run: all known, a strong one among them, and not just words that look like codes."""
    if len(run) < 2:
        return []
    spelt = [found[0].split("-")[0].split("_")[0] for found in run]
    strong = any(code in _STRONG and code not in ENGLISH_WORDS for code in spelt)
    paired = bool(_PAIRED.search(text[run[0].end() : run[1].start()]))
    plain = sum(code not in ENGLISH_WORDS for code in spelt)
    if not strong or (plain < 3 and not paired):
        return []
    resolved = [resolve(found[0]) for found in run]
    if None in resolved:
        return []
    return [Named(one.tags, found.start(), found.end()) for one, found in zip(resolved, run, strict=True) if one]
