"""Names of languages in the prose of a card: whole capitalised words that stand where a language stands.

"Polish" may be a verb, "French" a company, "Latin" a script. A name counts only in a list of names, as a whole list item or
table cell, or beside a word that makes it a language ("in", "native", "-language", "speakers", "Languages:"). What is left out
costs recall, not precision: a ledger that claims too much is worse than one that shows a blank. Measured precision:
docs/gap-coverage.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from polylect.gap.card_lines import Unit
from polylect.gap.language_names import names, resolve, reviewed_names

__all__ = ["Mention", "mentions", "unnamed"]

_WIDEST = 80
_AROUND = 300
"""Characters before and behind a run of names that decide what it is: a sentence of any length costs the same per name."""
_LINK = re.compile(
    r"[\s*_]*(?:\([^)]*\)|\[[^\]]*\])?[\s\d.%*_]*"
    r"(?:,|;|/|&|\+|·|•|\||->|→|↔|–|-|\band\b|\bor\b|\bto\b|\bas well as\b|\bplus\b|\s)+"
    r"(?:and|or|as well as|finally|both|also)?\s*[\s*_]*"
)
_AFTER = re.compile(
    r"[\s*_]*(?:\([^)]{1,30}\))?[\s*_-]*"
    r"(?:languages?|speakers?|speaking|texts?|data(?! protection)|corp(?:us|ora)|prompts?|translations?|questions?|tokens?|"
    r"documents?|Wikipedia|instructions?|datasets?|sentences|outputs?|responses?|answers?|tweets?|articles|annotators?|"
    r"evaluators?|linguists?|pairs?|only|(?:is|are|was|were) (?:\w+ )?(?:supported|covered|included|evaluated|tested))\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:\b(?:in|into|from|for|native|speaks?|understands?|supports?|supporting|namely|including|includes?|such as|is|are|both|"
    r"primarily|mainly|mostly|only|languages? like|and|or|between|across|covers?|covering|also|plus|standard|writes?|handles?)|"
    r"\blanguages?\b[^:.]{0,40}:|[:(])[\s*_]*$",
    re.IGNORECASE,
)
_FOLLOW = re.compile(
    r"[\s*_]*(?:\([^)]{1,30}\))?[\s*_]*(?:$|[.,;:!?)\]/|&–—]|"
    r"(?:and|or|but|is|are|was|were|as|with|than|only|at|by|which|that|when|while|because|has|have|can|may|will|where|if|since|"
    r"after|before|for|in|on|to|using|through|via|due|too|well)\b)"
)
_NOT_SPOKEN = re.compile(
    r"[\s*_]*(?:(?:,\s*)?(?:and |or )?[A-Z][a-z]+[\s,]+){0,5}(?:and [A-Z][a-z]+ )?"
    r"(?:scripts?|alphabets?|characters?|letters?|numerals?|digits|compan(?:y|ies)|governments?|people|citizens|cultures?|law|"
    r"users|institut\w+|universit\w+|researchers|teams?|ministr\w+|laborator\w+|labs?|startups?|Revolution|Academy|Embassy|"
    r"cuisine)\b"
)
_NOT_AFTER = re.compile(r"[-–](?:centric|based|born|style|inspired|owned|made|trained|American|Language Institute)\b")
_LANGUAGE_COLUMN = re.compile(r"(?:target |source )?(?:lang|languages?|language name)", re.IGNORECASE)
_LABEL = re.compile(r"\blanguages?\b[^:.]{0,40}:[\s*_]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Mention:
    """A language named in a unit: its tags, where the name begins and ends in the unit's text, and what was assumed."""

    tags: tuple[str, ...]
    start: int
    end: int
    note: str | None = None


def mentions(unit: Unit) -> list[Mention]:
    """Return the languages that a unit names as languages, in the order of the text."""
    if unit.kind != "sentence" and (whole := _whole(unit)):
        return [whole]
    if unit.kind in {"cell", "heading"}:
        # A cell with a list of languages is read as prose; one with a single name among other words is not.
        return [one for run in _runs(unit.text) if len(run) > 1 for one in _accepted(run, unit.text)]
    return [one for run in _runs(unit.text) for one in _accepted(run, unit.text)]


def _whole(unit: Unit) -> Mention | None:
    """Return the language that a list item or a cell is, where enough of its peers are languages too."""
    found = _alone(unit.text)
    if found is None:
        return None
    known = sum(_alone(peer) is not None for peer in unit.peers if peer)
    is_name = any(name in unit.text for name in reviewed_names())
    if is_name and (unit.kind in {"item", "heading"} or _LANGUAGE_COLUMN.fullmatch(unit.column)):
        return found
    # A code ("is", "no") or a rare name needs three more beside it.
    return found if known >= (2 if is_name else 4) else None


def unnamed(unit: Unit) -> list[str]:
    """Return what stands where a language is expected and names none: in a column "Language", in a list "Languages: ..."."""
    if unit.kind == "cell":
        is_head = unit.text == unit.column
        return [unit.text] if _LANGUAGE_COLUMN.fullmatch(unit.column) and not is_head and _alone(unit.text) is None else []
    label = re.match(r"[^:.]{0,20}\blanguages?\b[^:.]{0,20}:[\s*_]*", unit.text, re.IGNORECASE)
    if label is None or not mentions(unit):
        return []
    parts = re.split(r"\s*(?:,|;|\band\b|\.)\s*", re.sub(r"\([^)]*\)", "", unit.text[label.end() :]))
    return [part for part in parts if re.fullmatch(r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?", part) and resolve(part) is None]


@lru_cache(maxsize=65_536)
def _alone(text: str) -> Mention | None:
    """Read a text that is nothing but a language: "German", "German (de)", "deu", "🇩🇪 German: 12.5 %"."""
    plain = re.sub(r"[:\d.,%~≈<>\s]*$", "", text.strip(" *_`•-–"))
    plain = re.sub(r"^[^\w(]+", "", plain).strip()
    if not plain or len(plain) > 60 or (plain == plain.lower() and not re.fullmatch(r"[a-z]{2,3}(?:[-_]\w{2,8})*", plain)):
        return None
    if plain[0].isupper() and len(plain) < 4 and plain not in names():
        return None
    found = resolve(plain)
    return None if found is None else Mention(found.tags, 0, len(text), found.note)


def _runs(text: str) -> list[list[re.Match[str]]]:
    """Return the names in a text, those together that only commas, "and" and the like separate."""
    runs: list[list[re.Match[str]]] = []
    for found in _pattern().finditer(text):
        between = text[runs[-1][-1].end() : found.start()] if runs else ""
        if runs and len(between) <= _WIDEST and _LINK.fullmatch(between) and between.strip(" *_"):
            runs[-1].append(found)
        else:
            runs.append([found])
    return runs


def _accepted(run: Sequence[re.Match[str]], text: str) -> list[Mention]:
    """Return the mentions of a run of names that stand for languages; none where the run stands for something else."""
    before = text[max(0, run[0].start() - _AROUND) : run[0].start()]
    after = text[run[-1].end() : run[-1].end() + _AROUND]
    if _NOT_SPOKEN.match(after) or _NOT_AFTER.match(after):
        return []
    common = sum(found[0] in reviewed_names() for found in run)
    cue_after, label = bool(_AFTER.match(after)), bool(_LABEL.search(before))
    if len(run) >= 3 and common >= 2:
        accepted = True
    elif common:
        accepted = label or cue_after or bool(_BEFORE.search(before) and _FOLLOW.match(after))
    else:
        # Rare names are often words, places or peoples ("Even", "Delaware", "Latin"): only beside the word "language".
        accepted = label or bool(re.match(r"[\s*_-]*(?:languages?|speakers?|speaking)\b", after, re.IGNORECASE))
    return [_mention(found, text) for found in run] if accepted else []


def _mention(found: re.Match[str], text: str) -> Mention:
    """Return a mention with what its brackets add: "Chinese (simplified & traditional)", "Serbian (Latin)"."""
    bracket = re.compile(r"\s*\(([^)]{1,40})\)").match(text, found.end())
    for end in ([bracket.end()] if bracket else []) + [found.end()]:
        whole = resolve(text[found.start() : end])
        if whole is not None:
            return Mention(whole.tags, found.start(), end, whole.note)
    return Mention((names()[found[0]],), found.start(), found.end())


@cache
def _pattern() -> re.Pattern[str]:
    ordered = sorted(names(), key=lambda name: (-len(name), name))
    return re.compile(r"(?<![\w@/.-])(?:" + "|".join(map(re.escape, ordered)) + r")(?!\w)")
