"""How languages, scripts and people are named in the report of the language gap."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

from polylect import languages
from polylect.languages.scripts import letter_scripts, scripts_of
from polylect.report.numerals import METRIC_TITLES
from polylect.report.views import Label

__all__ = ["label_of", "language", "list_of", "measured", "people", "script_name", "times"]

_SHOWN = 12
_SHORT = {
    "Cans": "Canadian syllabics",
    "Hani": "Han",
    "Hans": "Han, simplified",
    "Hant": "Han, traditional",
    "Zzzz": "other scripts",
    "fragments": "bytes and broken characters",
    "special": "special tokens",
}
"""Names shorter than CLDR's, and what a vocabulary holds beside scripts."""


def label_of(row: Mapping[str, Any]) -> Label:
    """Return the label of a row with `language` and, where the document has them, `name` and `script`."""
    return language(str(row["language"]), str(row.get("name") or ""), str(row.get("script") or ""))


@cache
def language(tag: str, name: str = "", script: str = "") -> Label:
    """Return English name, own name, tag and direction of a language, whether the reviewed table has it or not.

    Its own name is the table's, else CLDR's through Babel where that is written in `script`: a name in another script would
    show its readers the wrong letters. The direction is that of its first letter.
    """
    known = _known(tag)
    if known is not None:
        return Label(known.name, native=known.native_name, tag=tag, direction="rtl" if known.rtl else "ltr")
    native = _own_name(tag, script)
    return Label(name or tag, native=native, tag=tag, direction=_direction(native))


def script_name(code: str | None) -> str:
    """Return the English name of an ISO 15924 code: "Latin"; a code that CLDR does not know stays as it is."""
    return "unknown script" if code is None else _SHORT.get(code) or str(_english().scripts.get(code, code))


def people(number: float | None) -> str:
    """Write a number of people, rounded for reading: "1.73 billion", "82.4 million", "43 000"."""
    if number is None:
        return "unknown"
    for unit, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}".replace(",", "\u202f")


def times(value: float | None) -> str:
    """Write a ratio with two digits after the point, one from ten on: "1.47", "22.9"."""
    return "–" if value is None else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def measured(group: Mapping[str, Any]) -> str:
    """Return benchmark and metric of a group of results: "global-mmlu, exact match"."""
    metric = METRIC_TITLES.get(group["metric"], group["metric"])
    return ", ".join(part for part in (group["benchmark"], metric) if part) or "its benchmark"


def list_of(items: list[str], most: int = _SHOWN) -> str:
    """Join names with commas, at most `most` of them, and say how many more there are."""
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def _known(tag: str) -> languages.Language | None:
    return _reviewed().get(tag)


@cache
def _reviewed() -> dict[str, languages.Language]:
    """Return the reviewed table by tag: asking it for one that it lacks searches for the nearest, which is slow for hundreds."""
    return {row.tag: row for row in languages.known()}


def _own_name(tag: str, script: str) -> str:
    """Return CLDR's name of a language in itself, or nothing where CLDR has none or has it in another script."""
    from babel import Locale

    identifier = tag.replace("-", "_")
    if identifier not in _locales():
        identifier = identifier.partition("_")[0]
    if identifier not in _locales():
        return ""
    name = Locale.parse(identifier).get_language_name() or ""
    found = letter_scripts(name)
    return name if found and (not script or set(found) <= scripts_of(script) | _uncoded(script)) else ""


@cache
def _locales() -> frozenset[str]:
    from babel.localedata import locale_identifiers

    return frozenset(locale_identifiers())


def _uncoded(script: str) -> frozenset[str]:
    """Scripts that `letter_scripts` does not tell apart count as the one asked for, if that is none it knows."""
    familiar = {row.script for row in languages.known()}
    return frozenset() if script in familiar else frozenset({"Zzzz"})


def _direction(text: str) -> str:
    strong = (unicodedata.bidirectional(character) for character in text)
    return "rtl" if next((kind for kind in strong if kind in {"L", "R", "AL"}), "L") != "L" else "ltr"


@cache
def _english() -> Any:
    from babel import Locale

    return Locale("en")
