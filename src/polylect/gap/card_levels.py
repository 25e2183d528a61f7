"""Which rung of the evidence ladder a phrase of a card speaks of, and whether it says the opposite.

A phrase about training, evaluation, people or safety decides by its own words, the nearest to the language first; else the
section's heading decides; a list without either counts as a claim only where it is called a list of languages. A denial
("not evaluated in Thai", "languages other than English") is evidence of nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from polylect.gap.card_lines import Unit
from polylect.gap.card_mentions import Mention

__all__ = ["DENIED", "level_of", "level_of_phrase"]

DENIED: Final = "denied"
"""What `level_of` returns for a language that the phrase excludes."""

_HARM = r"(?:safety|harm\w*|toxic\w*|jailbreak\w*|unsafe|adversarial|refus\w+)"
_TEST = r"(?:evaluat\w*|test(?:ed|s|ing)?|measur\w+|assess\w*|benchmark\w*|prob(?:ed|ing)|rat(?:ed|es?))"
_CUES = {
    "mitigated": rf"\bmitigat\w+|\bsafety[- ](?:tun|train|align|fine|distill|data)\w*|\brefusal (?:training|data|tuning)|"
    rf"\b(?:trained|tuned|taught|distilled) to (?:refuse|be safe)|\bfilter\w* .{{0,40}}\b{_HARM}",
    "safety-tested": rf"\bred[- ]team\w*|\b{_HARM}\b.{{0,50}}\b{_TEST}\b|\b{_TEST}\b.{{0,50}}\b{_HARM}",
    "human-checked": r"\bhuman[- ](?:evaluat|annotat|judg|prefer|review|rat|check|verif)\w*|"
    r"\bnative(?:[- ]\w+)? (?:speakers?|annotators?|reviewers?|linguists?)|\bprofessional (?:translators|annotators|linguists)|"
    r"\b(?:annotators|linguists|reviewers|speakers|people|raters) .{0,30}"
    r"\b(?:rated|judged|checked|reviewed|compared|validated|verified)",
    "evaluated": r"\bevaluat\w+|\bbenchmark\w*|\btest(?:ed|ing)\b|\bmeasured|\baccuracy|\bscor(?:e|es|ed)\b|\bresults?\b|"
    r"\bwin[- ]rates?|\bcompar(?:ed|ison)\b|"
    r"\b[A-Za-z-]*(?:MMLU|MGSM|FLORES\S*|BLEU|chrF\S*|XNLI|XCOPA|ARC|HellaSwag|IFEval|INCLUDE|Belebele)\b",
    "trained": r"\b(?:pre|post|fine|mid)?-? ?train(?:ed|ing)\b|\bpretrain\w*|\bfine-?tun\w+|\binstruction[- ]tun\w+|"
    r"\b(?:[mbtr]+illion|\d[\d.]*[BT]) tokens\b|\bcorp(?:us|ora)\b|\blearn(?:ed|t) from|"
    r"\bdata(?:set)?s? (?:mix\w*|contains?|cover\w*|includ\w+|compris\w+|spans?)",
}
_PATTERNS = {level: re.compile(cue, re.IGNORECASE) for level, cue in _CUES.items()}
_CLAIM = re.compile(
    r"\blanguages?\b|\bsupport\w*|\bmultilingual|\boptimi[sz]ed for|\bcover(?:s|ing|age)\b|\bspeaks?|\bunderstand\w*|\bcapab\w+|"
    r"\bwrit(?:es?|ing)\b|\bserv(?:es?|ing)\b|\bhandles?\b|\bworks? in\b|\bfluent\b|\bproficien\w+|\bintended\b|\bgenerat\w+",
    re.IGNORECASE,
)
_HEADINGS = (
    ("", re.compile(r"limitation|bias|risk|out[- ]of[- ]scope|misuse|citation", re.IGNORECASE)),
    ("safety-tested", re.compile(r"safety|red[- ]team|ethic|responsib|harm|toxicity", re.IGNORECASE)),
    ("human-checked", re.compile(r"human (?:evaluation|preference|annotation)", re.IGNORECASE)),
    ("evaluated", re.compile(r"evaluat|benchmark|results?\b|performance|metrics", re.IGNORECASE)),
    ("trained", re.compile(r"train|corpus|corpora|data ?(?:set|mix)?s?\b", re.IGNORECASE)),
    (
        "claimed",
        re.compile(
            r"languages?|intended|overview|description|model (?:details|summary|information)|features|introduction|"
            r"capabilit|support|highlights|multilingual",
            re.IGNORECASE,
        ),
    ),
)
_HEADER = (
    ("trained", re.compile(r"tokens|share|percent|\bsize\b|bytes|documents|hours|\brows\b|weight", re.IGNORECASE)),
    ("evaluated", re.compile(r"score|accuracy|metric|benchmark|win|bleu|chrf|mmlu|results?|f1|category|interval", re.IGNORECASE)),
)
_DENIAL = re.compile(
    r"\b(?:not(?! only| just)|no|never|without|nor|neither|cannot|lacks?|lacking|other than|beyond|outside|"
    r"except(?:ing| for)?|excluding|unsupported|unable|out[- ]of[- ]scope|rather than|instead of|\w+n['’]t)\b",
    re.IGNORECASE,
)
_RESET = re.compile(r"\bbut(?! not)\b|\bhowever\b|;|\binstead,|\bonly (?:in|on|for)\b", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"[^.;]{0,30}?\b(?:is|are|was|were|has|have|had|do|does|did|be)(?: (?:been|yet))? ?"
    r"(?:not\b|n['’]t|unsupported|untested|excluded)",
    re.IGNORECASE,
)


def level_of(unit: Unit, mention: Mention) -> str | None:
    """Return the level that the unit gives the language, `DENIED` where it excludes it, None where it only mentions it."""
    lead = f"{unit.intro} " if unit.intro else ""
    if _denied(unit.text, mention, unit.intro):
        return DENIED
    return level_of_phrase(lead + unit.text, len(lead) + mention.start, unit)


def level_of_phrase(text: str, at: int, unit: Unit) -> str | None:
    """Return the level of what stands at offset `at` of a phrase in the section of `unit`."""
    heading = _heading(unit.section)
    own = _nearest(text, at)
    if own == "evaluated" and heading in {"safety-tested", "human-checked"}:
        return heading
    if own:
        return own
    if unit.kind == "cell":
        table = next((level for level, cue in _HEADER if cue.search(unit.intro)), None)
        return heading if heading == "evaluated" else table or (heading if heading in {"claimed", "trained"} else _claimed(text))
    if heading in {"claimed", "evaluated", "trained"}:
        # "The model speaks Thai" below "Performance" is a claim, and so is a list of languages below "Training".
        return "claimed" if heading == "claimed" or _claimed(text) else heading
    return None if heading else _claimed(text)


@lru_cache(maxsize=256)
def _claimed(text: str) -> str | None:
    return "claimed" if _CLAIM.search(text) else None


def _nearest(text: str, at: int) -> str | None:
    """Return the level whose words stand nearest to an offset, those before it counting double; the higher level first."""
    distances = [(at - end if end <= at else 2 * max(start - at, 0), rank, level) for start, end, rank, level in _cues(text)]
    if not distances:
        return None
    _, _, level = min(distances)
    # Safety is spoken of in words of evaluation and training: where both are in the phrase, it is about safety.
    special = [one for _, _, one in sorted(distances) if one in {"mitigated", "safety-tested", "human-checked"}]
    return special[0] if special and level in {"evaluated", "trained"} and len(text) < 400 else level


@lru_cache(maxsize=256)
def _cues(text: str) -> tuple[tuple[int, int, int, str], ...]:
    """Return (start, end, rank, level) of every word of a phrase that speaks of a level, the highest level first."""
    ranked = enumerate(_PATTERNS.items())
    return tuple((*found.span(), rank, level) for rank, (level, pattern) in ranked for found in pattern.finditer(text))


@lru_cache(maxsize=256)
def _heading(section: tuple[str, ...]) -> str | None:
    """Return the level of the innermost heading that speaks of one, "" for limitations, None where none does."""
    for title in reversed(section):
        for level, cue in _HEADINGS:
            if cue.search(title):
                return level
    return None


def _denied(text: str, mention: Mention, intro: str) -> bool:
    """Return whether a denial stands before the mention with no "but" between them, or right behind it."""
    phrase, at = (text, mention.start) if text[: mention.start].strip() else (f"{intro} ", len(intro) + 1)
    denials, resets = _turns(phrase)
    since = max((end for end in resets if end <= at), default=0)
    if any(since <= start and end <= at for start, end in denials):
        return True
    return bool(_DENIED_AFTER.match(text, mention.end))


@lru_cache(maxsize=256)
def _turns(text: str) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Return where a phrase denies, and the ends of the words that turn it back."""
    return tuple(found.span() for found in _DENIAL.finditer(text)), tuple(found.end() for found in _RESET.finditer(text))
