"""Which language a code or a name means: ISO 639-1/2/3, BCP-47, English names, names of their own, common variants.

Codes and names come from the reviewed table (`polylect.languages`), then CLDR (English names, 650 languages, through Babel)
and the tags of the declarations in `data/udhr.parquet`. A word that none of them knows is not guessed at.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

from polylect import languages
from polylect.errors import LanguageError
from polylect.gap.language_variants import REGIONS, SCRIPTS, VARIANTS
from polylect.gap.tags import canonical_tag, known_language

__all__ = ["NOT_LANGUAGES", "UNSPECIFIC", "Resolution", "display_name", "names", "resolve", "reviewed_names"]

UNSPECIFIC = frozenset(
    {"all", "any", "many", "mul", "multi", "multilang", "multilanguage", "multilingual", "multiple", "various"}
)
"""Words in the place of a language that claim many and name none."""
NOT_LANGUAGES = frozenset(
    {"bash", "c", "c#", "c++", "code", "css", "go", "html", "java", "javascript", "julia", "kotlin", "lua", "math", "n/a", "na"}
    | {
        "none",
        "other",
        "php",
        "programming",
        "python",
        "r",
        "ruby",
        "rust",
        "scala",
        "sql",
        "swift",
        "typescript",
        "und",
        "unknown",
    }
    | {"zxx", "mis", "emoji", "music", "protein", "dna"}
)
"""What stands in the place of a language and is none: programming languages, codes for "undetermined" and "no language"."""

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_BRACKET = re.compile(r"(.+?)\s*[(\[]([^)\]]+)[)\]]")
# Names of several languages, of which brackets may name one: "Kurdish (Sorani)", "Chinese (Cantonese)", "Norwegian (Nynorsk)".
_MACRO = frozenset({"ar", "fa", "ku", "nb", "zh-Hans"})
_BOTH = re.compile(r"\s*(?:&|,|/|\+|\band\b)\s*")


@dataclass(frozen=True)
class Resolution:
    """The languages that a text means (one, or several for "Chinese (simplified & traditional)"), and what was assumed."""

    tags: tuple[str, ...]
    note: str | None = None


@lru_cache(maxsize=65_536)
def resolve(text: str) -> Resolution | None:
    """Return the languages that `text` names, a code or a name; None where it names none that is known.

    A lower-case text is read as a code first, any other as a name first: "ho" is Hiri Motu, "Ho" is not.
    """
    stripped = text.strip().strip("*_`'\"").strip()
    if not stripped or stripped.lower() in UNSPECIFIC | NOT_LANGUAGES:
        return None
    readings = (_by_code, _by_name) if stripped == stripped.lower() else (_by_name, _by_code)
    for reading in readings:
        if found := reading(stripped):
            return found
    return _by_parts(stripped)


def display_name(tag: str) -> str:
    """Return the English name of a language; the tag itself where no list has one."""
    row = known_language(tag)
    if row is not None:
        return row.name
    base = tag.partition("-")[0]
    name = _cldr().get(tag.replace("-", "_")) or _cldr().get(base)
    return tag if name is None else name if tag == base or tag.replace("-", "_") in _cldr() else f"{name} ({tag})"


@cache
def names() -> dict[str, str]:
    """Return every name as it is written in English text, with the tag it means: for finding names in prose.

    Own names that are written in other scripts are left to `resolve`.
    """
    found = {row.name: row.tag for row in languages.known() if "(" not in row.name}
    for code, name in _cldr().items():
        found.setdefault(name, _tag_of(code))
    found.update(VARIANTS)
    return {name: tag for name, tag in found.items() if name[:1].isupper()}


@cache
def reviewed_names() -> frozenset[str]:
    """Return the names among `names` whose language is in the reviewed table: few of them are common words."""
    return frozenset(name for name, tag in names().items() if known_language(tag) is not None)


def _by_code(text: str) -> Resolution | None:
    if not _CODE.fullmatch(text):
        return None
    spelling = text.replace("_", "-")
    base = spelling.partition("-")[0].lower()
    if known_language(spelling) is None and not _is_registered(base):
        return None
    try:
        tag = canonical_tag(_shortest(base) + spelling[len(base) :])
    except LanguageError:
        return None
    return Resolution((tag,), _assumed(text, tag, spelling))


def _by_name(text: str) -> Resolution | None:
    tag = _keys().get(_key(text))
    return None if tag is None else Resolution((tag,), _assumed(text, tag, ""))


def _by_parts(text: str) -> Resolution | None:
    """Read "Chinese (Simplified)", "Portuguese (Brazil)", "Persian (Farsi)", "German (de)" and "Mexican Spanish"."""
    bracket = _BRACKET.fullmatch(text)
    if bracket:
        base = resolve(bracket[1])
        return None if base is None or len(base.tags) > 1 else _qualified(base.tags[0], bracket[2], text)
    words = _key(text).split(" ")
    for size in range(1, len(words)):
        front, rest = " ".join(words[:size]), " ".join(words[size:])
        tag = _keys().get(rest)
        if tag is None:
            continue
        if front in SCRIPTS:
            return _in_script(tag, SCRIPTS[front], text)
        if front in REGIONS:
            return Resolution((tag,), f"{text!r}: counted as {tag}, its variety is not told apart")
    return None


def _qualified(tag: str, inside: str, text: str) -> Resolution | None:
    """Return the language `tag` as what stands in the brackets makes it; None where the brackets contradict it."""
    parts = [_key(part) for part in _BOTH.split(inside) if part.strip()]
    if parts and all(part in SCRIPTS for part in parts):
        found = [_in_script(tag, SCRIPTS[part], text) for part in parts]
        return None if None in found else Resolution(tuple(one.tags[0] for one in found if one))
    if all(part in REGIONS for part in parts):
        return Resolution((tag,), f"{text!r}: counted as {tag}, its variety is not told apart")
    other = resolve(inside)
    if other is not None and len(other.tags) == 1:
        # "Filipino (Tagalog)", "Chinese (zh-Hant)": the code is more exact than the name.
        same = other.tags[0].partition("-")[0] == tag.partition("-")[0]
        if not same and tag not in _MACRO:
            return None
        return Resolution(other.tags, f"{text!r}: taken as {other.tags[0]}" if other.tags[0] != tag else None)
    return Resolution((tag,), f"{text!r}: what stands in brackets was not read")


def _in_script(tag: str, script: str, text: str) -> Resolution | None:
    base = tag.partition("-")[0]
    try:
        return Resolution((canonical_tag(f"{base}-{script}"),))
    except LanguageError:
        return Resolution((tag,), f"{text!r}: counted as {tag}")


def _assumed(text: str, tag: str, spelling: str) -> str | None:
    """Say what was assumed where a code or a name does not say which of two scripts, or which variety, it means."""
    known = known_language(tag)
    if known is None:
        return None
    script = tag.partition("-")[2]
    if script and script.lower() not in spelling.lower() and "-" not in spelling and _key(text) != _key(known.name):
        if script.lower() in _key(text) or any(word in SCRIPTS and SCRIPTS[word] == script for word in _key(text).split()):
            return None
        return f"{text!r} does not say the script: taken as {tag}"
    region = spelling.partition("-")[2]
    if region and not script and region.lower() != known.script.lower():
        return f"{text!r}: counted as {tag}, its variety is not told apart"
    return f"{text!r}: counted as {tag}" if text.lower() in {"no", "nor", "norwegian"} else None


def _is_registered(base: str) -> bool:
    return base in _cldr() or base in _aliases() or base in _declared()


def _shortest(base: str) -> str:
    """Return the ISO 639-1 code of a language where it has one: CLDR's aliases name it for a three-letter code."""
    alias = base if base in _cldr() else _aliases().get(base, base)
    return alias if "_" not in alias else base


def _tag_of(code: str) -> str:
    return canonical_tag(code.replace("_", "-"))


@cache
def _keys() -> dict[str, str]:
    """Map the normalised form of every name to its tag; the reviewed table wins over CLDR."""
    found = {_key(name): _tag_of(code) for code, name in _cldr().items()}
    for row in languages.known():
        found[_key(row.native_name)] = row.tag
    for row in languages.known():
        found[_key(row.name)] = row.tag
    found.update({_key(name): tag for name, tag in VARIANTS.items()})
    return found


def _key(name: str) -> str:
    """Return a name without case, accents, brackets, hyphens and apostrophes, for comparing."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c) or ord(c) > 0x36F)
    return " ".join(re.sub(r"[-‐–_()\[\]]", " ", re.sub(r"['’ʼ‘ʻ`´]", "", plain)).casefold().split())


@cache
def _cldr() -> dict[str, str]:
    """Return CLDR's English names by code, without those that name no single language."""
    from babel import Locale

    skipped = {"mul", "und", "zxx", "root"}
    found = {code: name for code, name in Locale("en").languages.items() if code not in skipped}
    return {str(code): str(name) for code, name in found.items()}


@cache
def _aliases() -> dict[str, str]:
    from babel.core import get_global

    return {str(old): str(new) for old, new in get_global("language_aliases").items()}


@cache
def _declared() -> frozenset[str]:
    """Return the language subtags of the declarations of human rights: 400 codes that are in use, many outside CLDR."""
    from importlib import resources

    import polars as pl

    with resources.files("polylect.gap").joinpath("data/udhr.parquet").open("rb") as file:
        tags = pl.read_parquet(file, columns=["language"])["language"].unique().to_list()
    return frozenset(str(tag).partition("-")[0] for tag in tags)
