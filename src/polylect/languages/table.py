"""The reviewed table of languages: one row per language and script, read once from `languages.csv`.

Canonical tags are BCP-47 (RFC 5646) in their shortest form: the script is named only where a language is written
in more than one script that models treat as different targets (`zh-Hans` and `zh-Hant`, `sr-Cyrl` and `sr-Latn`).
"""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeAlias

from polylect.errors import LanguageError

__all__ = ["Language", "canonical", "get", "known"]

_RTL_SCRIPTS = frozenset({"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"})
_Row: TypeAlias = dict[str, str]

# Regions where CLDR's likely subtags give the language another script than the one of its row: dropping the region
# would name the wrong language, so such a tag is refused (Unicode CLDR 48, likelySubtags).
_OTHER_SCRIPT = {
    "az": {"iq", "ir", "ru"},
    "ha": {"cm", "sd"},
    "kk": {"af", "cn", "ir", "mn"},
    "ku": {"am", "az", "ge", "iq", "ir", "lb", "tm"},
    "ky": {"cn", "tr"},
    "mn": {"cn"},
    "ms": {"cc"},
    "pa": {"pk"},
    "sd": {"in"},
    "tg": {"pk"},
    "ug": {"kz", "mn"},
    "uz": {"af", "cn"},
}


@dataclass(frozen=True, kw_only=True)
class Language:
    """What is known of one language in one script.

    `tag` is the canonical BCP-47 tag, `iso639_3` the ISO 639-3 code (of the macrolanguage where the tag names one),
    `script` the ISO 15924 code. `family` is the top-level genealogical family (creoles: that of their lexifier) and
    `branch` a conventional subgroup. `continents` are those where the language has large or official communities.
    `latitude` and `longitude` (whole degrees) are a rough centre of the area where it is first spoken at home or was
    before it spread over continents; `clusters` uses them to find near neighbours.
    `speakers` is a number of people, first and second language, in this script; `speakers_year` is the year in which
    the source was published. `resource_class` is the taxonomy of Joshi et al. 2020, "The State and Fate of Linguistic
    Diversity and Inclusion in the NLP World" (ACL), from 0 "The Left-Behinds" to 5 "The Winners"; None where unknown,
    with the reason in `resource_source`. `aliases` are other tags that mean this row.
    """

    tag: str
    iso639_3: str
    script: str
    family: str
    branch: str
    name: str
    native_name: str
    continents: tuple[str, ...]
    latitude: int
    longitude: int
    speakers: int
    speakers_source: str
    speakers_year: int
    resource_class: int | None
    resource_source: str
    aliases: tuple[str, ...]

    @property
    def rtl(self) -> bool:
        """Whether the script is written from right to left."""
        return self.script in _RTL_SCRIPTS


def known() -> tuple[Language, ...]:
    """Return every language of the table, sorted by tag."""
    return tuple(_table().values())


def get(tag: str) -> Language:
    """Return the row of `tag`, which may be any spelling that `canonical` accepts.

    Raises:
        LanguageError: no language of the table has this tag.
    """
    return _table()[canonical(tag)]


@cache
def canonical(tag: str) -> str:
    """Return the canonical BCP-47 tag of `tag`.

    Accepted are any case, `_` for `-`, ISO 639-3 codes (`eng`, `zho_Hans`), deprecated codes (`iw`, `in`) and a region
    (`pt-BR`), which is dropped unless it decides the script (`zh-TW` is `zh-Hant`). Names of languages are not tags.

    Raises:
        LanguageError: `tag` names no language of the table; the message names the nearest tag.
    """
    spelling = tag.replace("_", "-").lower()
    language = _spellings().get(spelling) or _without_region(spelling)
    if language is None:
        raise LanguageError(_unknown(tag))
    return language


def _without_region(spelling: str) -> str | None:
    """Return the tag that `spelling` names without its last subtag, if that is a region that keeps the script.

    A region is two letters or three digits (RFC 5646, section 2.2.4).
    """
    rest, _, last = spelling.rpartition("-")
    is_region = (len(last) == 2 and last.isalpha()) or (len(last) == 3 and last.isdigit())
    tag = _spellings().get(rest) if is_region else None
    script_is_named = "-" in rest
    if tag is None or (not script_is_named and last in _OTHER_SCRIPT.get(tag, ())):
        return None
    return tag


def _unknown(tag: str) -> str:
    return f"{tag!r} is not the tag of a known language.{_hint(tag)} `polylect languages` lists the known tags."


def _hint(tag: str) -> str:
    """Say what the table does know: the same language in other scripts, else the nearest tag, code or name."""
    spelling = tag.replace("_", "-").lower()
    base = spelling.partition("-")[0]
    same = [row for row in known() if base and base in {row.tag.partition("-")[0], row.iso639_3}]
    if same:
        return " Known of this language: " + ", ".join(f"{row.tag!r} (script {row.script})" for row in same) + "."
    names = {name.lower(): row.tag for row in known() for name in (row.name, row.native_name)}
    close = difflib.get_close_matches(spelling, list(names) + list(_spellings()), n=1, cutoff=0.6)
    if not close:
        return ""
    if close[0] in names:
        return f" A name is not a tag: for {get(names[close[0]]).name} write {names[close[0]]!r}."
    return f" Did you mean {_spellings()[close[0]]!r}?"


@cache
def _table() -> dict[str, Language]:
    text = resources.files(__package__).joinpath("languages.csv").read_text(encoding="utf-8")
    rows = [_language(row) for row in csv.DictReader(text.splitlines())]
    return {row.tag: row for row in rows}


def _language(row: _Row) -> Language:
    return Language(
        tag=row["tag"],
        iso639_3=row["iso639_3"],
        script=row["script"],
        family=row["family"],
        branch=row["branch"],
        name=row["name"],
        native_name=row["native_name"],
        continents=tuple(row["continents"].split(";")),
        latitude=int(row["latitude"]),
        longitude=int(row["longitude"]),
        speakers=int(row["speakers"]),
        speakers_source=row["speakers_source"],
        speakers_year=int(row["speakers_year"]),
        resource_class=int(row["resource_class"]) if row["resource_class"] else None,
        resource_source=row["resource_source"],
        aliases=tuple(filter(None, row["aliases"].split(";"))),
    )


@cache
def _spellings() -> dict[str, str]:
    """Map every accepted lower-case spelling without a redundant region to its canonical tag; tags win over aliases."""
    spellings: dict[str, str] = {}
    for row in known():
        base = row.tag.partition("-")[0]
        for code in (base, row.iso639_3):
            spellings[f"{code}-{row.script}".lower()] = row.tag
        if base == row.tag:
            spellings[row.iso639_3] = row.tag
        for alias in row.aliases:
            spellings[alias.lower()] = row.tag
            spellings.setdefault(f"{alias}-{row.script}".lower(), row.tag)
    spellings.update({row.tag.lower(): row.tag for row in known()})
    return spellings
