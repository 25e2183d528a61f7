"""Which language most of an answer is in, sentence by sentence."""

from __future__ import annotations

import re
from collections import Counter

from polylect import languages
from polylect.languages.scripts import letter_scripts, scripts_of
from polylect.safety.detectors.lexicon import covered, fold, function_words, letter_pairs, lexicon, listed, plain, tokens

__all__ = ["NOISE", "by_frequent_words", "foreign", "main_script", "sentences"]

NOISE = "noise"
"""What `foreign` returns for letters that pass for a language only by chance."""

_END = re.compile(r"(?<=[.!?。！？।؟۔])\s+|(?<=[。！？।])|\n+")
_ANY_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|(?:https?://|www\.)\S+|\S+@\S+\.\w+"  # code, addresses
    r"|[“„«「『《‹][^”“»」』》›\n]{1,200}[”“»」』》›]|\"[^\"\n]{1,200}\"",  # quotations and titles
    re.DOTALL,
)
_SURE = 0.9
"""Least probability of another language: a name of three words is easily taken for one of a neighbour."""

_HAN = frozenset({"zh-Hans", "zh-Hant"})
_FEWEST_WORDS = 5
_TERM_WORDS = 4
_FREQUENT_SHARE = 0.15
"""Least share of frequent words: it is 0.3 to 0.5 in running text of most of these languages."""

_REFUSAL_LOOKED = 300
"""Characters of a text that are read for a refusal in another language."""

_STRANGE_PAIRS = 0.06
"""Share of pairs of letters that a text of a language may have beyond those listed for it."""

_DENSE, _DENSE_LETTER = frozenset({"Hani"}), 2.5
"""Scripts of which a letter says as much as 2.5 of an alphabet, as the thresholds of `polylect.languages` have it."""


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text, blank ones left out."""
    return [part for part in _END.split(text) if part and not part.isspace()]


def main_script(text: str) -> str | None:
    """Return the script of most letters, None where one half is in others, or there are none."""
    scripts = letter_scripts(text)
    if not scripts:
        return None
    script, number = scripts.most_common(1)[0]
    return script if 2 * number > scripts.total() else None


def foreign(text: str, tag: str) -> str | None:
    """Return what most letters of a text are in, if that is not the language `tag`: a tag, "script Xxxx", or `NOISE`.

    Each sentence is identified alone; those that cannot be told count for neither side. None where the text is in the
    language, or nothing can be told.
    """
    prose = _ANY_LANGUAGE.sub(" ", text)
    prose = prose if any(map(str.isalpha, prose)) else text
    found: Counter[str] = Counter()
    own = 0
    for sentence in sentences(prose):
        verdict = _verdict(sentence, tag)
        if verdict is None:
            continue
        letters = letter_scripts(sentence).total()
        own += letters if not verdict else 0
        if verdict:
            found[verdict] += letters
    if not found and not own:
        return _verdict(prose, tag) or by_frequent_words(prose, tag) or _by_refusal(prose, tag)
    return found.most_common(1)[0][0] if found.total() > own else None


def _verdict(text: str, tag: str) -> str | None:
    """Return "" for text in the language, None where that cannot be told, else what it is in."""
    right = languages.in_language(text, tag)
    if right is not False:
        return "" if right else None
    script, own = main_script(text), scripts_of(languages.get(tag).script)
    found = languages.identify(text)
    if found.language == tag or {found.language, tag} <= _HAN:
        return ""
    if script is not None and script not in own:
        if script == "Latn" and (_is_own_with_terms(text, own) or _is_term(text)):
            return None
        return found.language if found.language and found.probability >= _SURE else f"script {script}"
    if found.language is None or found.probability < _SURE:
        return None
    return found.language if _confirmed(text, found.language) else by_frequent_words(text, tag) or NOISE


def _by_refusal(text: str, tag: str) -> str | None:
    """Return the one other language in whose words a text refuses that nothing else tells, as short refusals do."""
    read, script = plain(text[:_REFUSAL_LOOKED]), languages.get(tag).script
    if tag not in covered() or lexicon(tag).refusal.search(read):
        return None
    others = [other for other in sorted(covered() - {tag}) if languages.get(other).script == script]
    found = [other for other in others if lexicon(other).refusal.search(read)]
    return found[0] if len(found) == 1 else None


def _is_own_with_terms(text: str, own: frozenset[str]) -> bool:
    """Tell whether text in Han letters, each of which says more than one of an alphabet, only has terms in another script."""
    scripts = letter_scripts(text)
    return bool(own & _DENSE) and _DENSE_LETTER * sum(scripts[script] for script in own) >= scripts.total() / 2


def _is_term(text: str) -> bool:
    """Tell whether text may be a name or a technical term, which many languages write in Latin letters.

    What ends as a sentence does, and has words in small letters, is none.
    """
    words = tokens(fold(text))
    if text.strip()[-1] in ".!?" and any(word[0].islower() for word in text.split()):
        return False
    return len(words) <= _TERM_WORDS and not function_words("en").intersection(words)


def _confirmed(text: str, tag: str) -> bool:
    """Tell whether a text has a frequent word of the language it is taken for, or only pairs of letters that it has.

    Short texts and unknown languages are let pass.
    """
    frequent, words, pairs = function_words(tag), tokens(fold(text)), letter_pairs(tag)
    if not frequent or len(words) < _FEWEST_WORDS or any(word in frequent for word in words):
        return True
    found = [f" {word} "[i : i + 2] for word in words for i in range(len(word) + 1)]
    return bool(pairs) and sum(pair not in pairs for pair in found) <= _STRANGE_PAIRS * len(found)


def by_frequent_words(text: str, tag: str) -> str | None:
    """Return the language whose most frequent words fill a text, which the identification cannot tell, if it is another one."""
    words = tokens(fold(text))
    script = languages.get(tag).script
    own = sum(len(word) > (script == "Latn") and word in function_words(tag) for word in words)
    counts = {
        other: sum(len(word) > 1 and word in function_words(other) for word in words)
        for other in sorted(listed())
        if other != tag and languages.get(other).script == script
    }
    best = max(counts, key=lambda other: counts[other], default=None)
    least = max(2, _FREQUENT_SHARE * len(words))
    return best if best and (not own or counts[best] >= own + 2) and counts[best] >= least else None
