"""From the names that public sets give to languages (codes, English names, FLORES codes) to canonical tags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from polylect import languages
from polylect.errors import LanguageError

__all__ = ["SPLITS", "config_language", "language_of", "published"]

SPLITS = frozenset({"train", "training", "dev", "devtest", "validation", "val", "valid", "test", "eval", "evaluation"})
"""Names of splits, in lower case."""

# Names that public sets use and that are neither tags nor the names of the table of languages: INCLUDE ("North
# Macedonian", "Tagalog", "Persian"), XWinograd ("jp"), SeaEval, Multi-IF, Aya. Keys are lower case.
_ALIASES = {
    "bahasa indonesia": "id",
    "bahasa melayu": "ms",
    "bengali": "bn",
    "burmese": "my",
    "castilian": "es",
    "chichewa": "ny",
    "chinese": "zh-Hans",
    "chinese (simplified)": "zh-Hans",
    "chinese (traditional)": "zh-Hant",
    "farsi": "fa",
    "filipino": "fil",
    "haitian": "ht",
    "indonesia": "id",
    "iranian persian": "fa",
    "jp": "ja",
    "kor hang": "ko",
    "kurdish": "ku",
    "kyrgyz": "ky",
    "macedonian": "mk",
    "malay": "ms",
    "mandarin": "zh-Hans",
    "modern greek": "el",
    "modern standard arabic": "ar",
    "north macedonian": "mk",
    "norwegian": "nb",
    "oriya": "or",
    "persian": "fa",
    "myanmar": "my",
    "pushto": "ps",
    "quechua": "qu",
    "serbian": "sr-Cyrl",
    "simplified chinese": "zh-Hans",
    "sinhala": "si",
    "standard arabic": "ar",
    "standard malay": "ms",
    "swahili": "sw",
    "tagalog": "fil",
    "traditional chinese": "zh-Hant",
    "western persian": "fa",
}


@cache
def language_of(name: str) -> str | None:
    """Return the canonical tag that a configuration, file or column value names, or None.

    Accepted are tags as in `polylect.languages.canonical` (`sw`, `arb_Arab`, `zho_Hans`), English and native names in any
    case (`Indonesian`, `North Macedonian`), and names that public sets use beside these (`jp`, `Farsi`).
    """
    spelling = name.strip().lower()
    if not spelling:
        return None
    by_name = _ALIASES.get(spelling.replace("_", " ")) or _names().get(spelling.replace("_", " "))
    if by_name is not None:
        return by_name
    try:
        return languages.canonical(name.strip())
    except LanguageError:
        return None


def config_language(config: str) -> str | None:
    """Return the tag that a configuration or file name stands for, as a whole or by a piece of it, or None.

    A piece is the last one (`mgsm_bn`), or the first one before nothing but splits and numbers (`bn-test-00`): `my_quiz` is not
    Burmese.
    """
    pieces = re.split(r"[-_.]", config)
    candidates = [config, *pieces[-1:]] if len(pieces) > 1 else [config]
    if all(piece.lower() in SPLITS or piece.isdigit() for piece in pieces[1:]):
        candidates.append(pieces[0])
    return next((tag for tag in map(language_of, candidates) if tag is not None), None)


def published(configs: Iterable[str]) -> tuple[str, ...]:
    """Return the sorted tags of the names that are known."""
    return tuple(sorted({tag for tag in map(language_of, configs) if tag is not None}))


@cache
def _names() -> dict[str, str]:
    """Map English and native names, in lower case, to tags; names that two rows share are left out."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for row in languages.known():
        for name in {row.name.lower(), row.native_name.lower()}:
            if name in found:
                shared.add(name)
            found[name] = row.tag
    return {name: tag for name, tag in found.items() if name not in shared}
