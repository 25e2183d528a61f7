"""Which language a text is written in, and whether a text is in the language it should be in.

The model is py3langid (BSD; a fork of langid.py, Lui and Baldwin 2012) on NFC text. It only ever chooses between the
languages asked for, those easily confused with them and English (what multilingual models drift to: Marchisio et al.
2024, "Understanding and Mitigating Language Confusion in LLMs"), and among these only between the ones that are
written in the script of the text. Text too short to tell is undetermined, never guessed. `docs/languages.md` has the
measured accuracy and the reason for each threshold.
"""

from __future__ import annotations

import copy
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from polylect.languages.scripts import letter_scripts, scripts_of
from polylect.languages.table import canonical, get, known

__all__ = ["Identification", "identifiable", "identify", "identify_many", "in_language", "line_pass", "neighbours"]

MIN_LETTERS = 20
"""Fewest letters that are identified."""

MIN_LETTERS_DENSE = 8
"""The same for scripts in which one letter is a syllable or a word."""

MIN_PROBABILITY = 0.6
"""Below this the best language is not told from the next one, and the text is undetermined."""

NEIGHBOUR_WEIGHT = 0.5
"""Prior of a language that was not asked for relative to one that was; it settles what the text leaves open."""

_DENSE = frozenset({"Cans", "Ethi", "Hang", "Hani", "Hira", "Kana"})

# Languages whose texts are easily taken for each other: a target is always compared with its group.
_CONFUSABLE = (
    frozenset({"id", "ms", "jv", "su"}),
    frozenset({"ru", "uk", "be", "bg", "mk", "sr-Cyrl"}),
    frozenset({"kk", "ky", "tt", "mn", "tg", "ru"}),
    frozenset({"es", "pt", "gl", "ca", "it"}),
    frozenset({"fr", "ca", "ht", "it", "ro"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"bn", "as"}),
    frozenset({"fa", "ar", "ur", "ps", "ug", "sd"}),
    frozenset({"tr", "az", "tk", "uz"}),
    frozenset({"cs", "sk", "pl", "sl"}),
    frozenset({"hr", "bs", "sr-Latn", "sl"}),
    frozenset({"da", "nb", "sv", "is"}),
    frozenset({"de", "nl", "af", "lb"}),
    frozenset({"et", "fi"}),
    frozenset({"lt", "lv"}),
    frozenset({"fil", "id", "ms"}),
    frozenset({"zu", "xh", "sn", "rw", "sw", "lg", "ln", "nso", "st"}),
    frozenset({"am", "ti"}),
    frozenset({"zh-Hans", "zh-Hant", "ja"}),
)

# Written standards of one language: telling them apart is not a question of being in the right language.
_SAME: tuple[frozenset[str], ...] = (frozenset({"id", "ms"}), frozenset({"hr", "bs", "sr-Latn"}))

# Labels of the model that are not the first subtag of our tag.
_LABELS = {"fil": "tl", "gn": "gug", "nb": "no"}


@dataclass(frozen=True)
class Identification:
    """The language of a text (canonical tag) with its probability in [0, 1]; `language` is None when undetermined."""

    language: str | None
    probability: float


UNDETERMINED = Identification(None, 0.0)


def identify(text: str, among: Iterable[str] | None = None) -> Identification:
    """Return the language of one text; see `identify_many`."""
    return identify_many([text], among)[0]


def identify_many(texts: Sequence[str], among: Iterable[str] | None = None) -> list[Identification]:
    """Return the language of each text, chosen between `among`, their confusable neighbours and English.

    `among` None means every language of the table that the model knows. The answer may be a neighbour that is not in
    `among`, except that of written standards of one language (Indonesian and Malay; Bosnian, Croatian and Serbian in
    Latin script) the one in `among` is named. Undetermined are texts with fewer than `MIN_LETTERS` letters, texts in a
    script of none of the candidates, and texts whose best language has a probability below `MIN_PROBABILITY` (that
    probability is returned).

    Raises:
        LanguageError: a tag of `among` names no known language.
    """
    targets = None if among is None else frozenset(map(canonical, among))
    return [_identify(unicodedata.normalize("NFC", text), targets) for text in texts]


def in_language(text: str, language: str, among: Iterable[str] | None = None) -> bool | None:
    """Tell whether `text` is in `language`.

    False when most letters are of a script the language does not use, however short the text; None when undetermined:
    no letters, too short to tell, too close to call, or a language that the model does not know.

    Args:
        text: any text; code points are normalised to NFC.
        language: the language it should be in.
        among: the languages it may be in instead; None for every language of the table that the model knows.

    Raises:
        LanguageError: a tag names no known language.
    """
    tag = canonical(language)
    text = unicodedata.normalize("NFC", text)
    scripts = letter_scripts(text)
    if not scripts:
        return None
    fitting = sum(scripts[script] for script in scripts_of(get(tag).script))
    if 2 * fitting < scripts.total():
        return False
    targets = None if among is None else frozenset(map(canonical, among)) | {tag}
    found = _identify(text, targets, prefer=tag).language
    if found is None or _label(tag) is None:
        return None
    return found == tag


def line_pass(text: str, language: str, among: Iterable[str] | None = None) -> bool | None:
    """Tell whether every line of `text` that is long enough to tell is in `language`; None when no line is.

    The line-level pass of Marchisio et al. 2024 (section 3), there for lines of five tokens or more.

    Raises:
        LanguageError: a tag names no known language.
    """
    among = None if among is None else frozenset(among)
    verdicts = {in_language(line, language, among) for line in text.splitlines()}
    if False in verdicts:
        return False
    return True if True in verdicts else None


def identifiable(tag: str) -> bool:
    """Tell whether the model knows a language; the others are only ever told by their script.

    Raises:
        LanguageError: `tag` names no known language.
    """
    return _label(canonical(tag)) is not None


def neighbours(tag: str) -> tuple[str, ...]:
    """Return the tags of the languages that `tag` is always compared with because it is easily taken for them, sorted.

    Raises:
        LanguageError: `tag` names no known language.
    """
    tag = canonical(tag)
    return tuple(sorted(_with_neighbours(frozenset({tag})) - {tag}))


def _identify(text: str, targets: frozenset[str] | None, prefer: str | None = None) -> Identification:
    """Identify NFC text. `prefer` is the one language asked about: of written standards of one language it is named."""
    scripts = letter_scripts(text)
    if not _long_enough(scripts):
        return UNDETERMINED
    labels = _candidates(targets, prefer, _systems(scripts))
    if not labels:
        return UNDETERMINED
    weights: dict[str | None, float] = {}
    for label, probability in _identifier(frozenset(labels)).rank(text):
        tags = labels[label]
        tag = tags[0] if len(tags) == 1 else _han_variant(tags, text, targets, prefer)
        asked = tag is None or tag == prefer or (tag in targets if targets is not None else prefer is None)
        weights[tag] = weights.get(tag, 0.0) + float(probability) * (1.0 if asked else NEIGHBOUR_WEIGHT)
    best = max(weights, key=lambda tag: weights[tag])
    probability = weights[best] / sum(weights.values())
    return Identification(best if probability >= MIN_PROBABILITY else None, probability)


def _long_enough(scripts: Counter[str]) -> bool:
    dense = sum(scripts[script] for script in _DENSE)
    return dense / MIN_LETTERS_DENSE + (scripts.total() - dense) / MIN_LETTERS >= 1


def _systems(scripts: Counter[str]) -> frozenset[str]:
    """Return the writing systems of the table that at least half of the letters belong to."""
    (main, _), *_ = scripts.most_common(1)
    return frozenset(
        system for system in _systems_with(main) if 2 * sum(scripts[script] for script in scripts_of(system)) >= scripts.total()
    )


@cache
def _systems_with(script: str) -> frozenset[str]:
    return frozenset(row.script for row in known() if script in scripts_of(row.script))


@lru_cache(maxsize=1024)
def _candidates(targets: frozenset[str] | None, prefer: str | None, systems: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Map each label that the model may choose to the tags it stands for: targets, neighbours, English, in these scripts."""
    tags = frozenset(row.tag for row in known()) if targets is None else _with_neighbours(targets) | {"en"}
    labels: dict[str, tuple[str, ...]] = {}
    for tag in sorted(tags):
        label = _label(tag)
        if label and get(tag).script in systems:
            labels[label] = (*labels.get(label, ()), _standard(tag, targets, prefer))
    return labels


def _with_neighbours(targets: frozenset[str]) -> frozenset[str]:
    return targets.union(*(group for group in _CONFUSABLE + _SAME if group & targets))


@cache
def _label(tag: str) -> str | None:
    """Return the model's label for a tag, None when the model does not know the language."""
    label = _LABELS.get(tag, tag.partition("-")[0])
    return label if label in _model().labels else None


def _han_variant(tags: tuple[str, ...], text: str, targets: frozenset[str] | None, prefer: str | None) -> str | None:
    """Choose between Simplified and Traditional Chinese, the `tags` that share a label, by the characters.

    Text without a telling character is the preferred form, or the only one among the targets, else undetermined.
    """
    forms = Counter(map(_han_form, text))
    votes = forms["zh-Hans"] - forms["zh-Hant"]
    if votes:
        return "zh-Hans" if votes > 0 else "zh-Hant"
    if prefer in tags:
        return prefer
    asked = [tag for tag in tags if targets is not None and tag in targets]
    return asked[0] if len(asked) == 1 else None


@cache
def _han_form(character: str) -> str:
    """Return the form of Chinese that a character is only used in, "" when it tells nothing.

    The national character sets are the source: GB 2312 has the simplified forms, Big5 the traditional ones.
    """
    if character.isascii():
        return ""
    simplified, traditional = _encodable(character, "gb2312"), _encodable(character, "big5")
    if simplified == traditional:
        return ""
    return "zh-Hans" if simplified else "zh-Hant"


def _encodable(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _standard(tag: str, targets: frozenset[str] | None, prefer: str | None) -> str:
    """Of written standards of one language name the preferred one, or the only one among the targets."""
    group = next((group for group in _SAME if tag in group), frozenset())
    if prefer in group:
        return str(prefer)
    asked = group & (targets or frozenset())
    return next(iter(asked)) if len(asked) == 1 else tag


@cache
def _model() -> Any:
    """Load py3langid's model once per process: an instance of our own, as restricting one changes it for all its users."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=64)
def _identifier(labels: frozenset[str]) -> Any:
    """Return a copy of the model that chooses between `labels`; the copy shares its big tables with the others."""
    identifier = copy.copy(_model())
    identifier.set_languages(labels)
    return identifier
