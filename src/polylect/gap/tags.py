"""Tags of languages beyond the reviewed table: well-formed BCP-47 in canonical case, or an error.

The reviewed table (`polylect.languages`) names 123 languages; parallel text comes in hundreds. A tag of the table is given
its canonical form there; any other must be language, script, region and variants as RFC 5646, section 2.1, has them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from polylect import languages
from polylect.errors import LanguageError
from polylect.languages import Language

__all__ = ["canonical_tag", "known_facts", "known_language"]

# Language of 2 or 3 letters (none of 5 to 8 is registered, and a name such as "Turkish" would pass for one).
_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?((?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)")


@cache
def canonical_tag(tag: str) -> str:
    """Return the canonical form of `tag`: of the reviewed table where it is known, else RFC 5646's case ("tzm-Tfng").

    Raises:
        LanguageError: `tag` is not a BCP-47 tag of the form language[-script][-region][-variant].
    """
    try:
        return languages.canonical(tag)
    except LanguageError as error:
        found = _TAG.fullmatch(tag.replace("_", "-").lower())
        if found is None or found[1] in {"mul", "und", "mis", "zxx"}:
            raise LanguageError(
                f"{tag!r} is not a BCP-47 tag of one language: expected language[-script][-region][-variant], such as 'tr', "
                f"'zh-Hant' or 'quz'. {_reason(error)}"
            ) from None
        language, script, region, variants = found.groups()
        return "-".join(filter(None, (language, script and script.title(), region and region.upper(), variants.lstrip("-"))))


def known_language(tag: str) -> Language | None:
    """Return the row of the reviewed table for a canonical tag; None where the table does not have it."""
    return _rows().get(tag)


def known_facts(tag: str | None, *names: str) -> dict[str, Any]:
    """Return fields of that row by name, for a row of an output; None where the table does not have the tag."""
    known = known_language(tag) if tag else None
    return {name: getattr(known, name) if known else None for name in names}


@cache
def _rows() -> dict[str, Language]:
    return {row.tag: row for row in languages.known()}


def _reason(error: LanguageError) -> str:
    """Return the hint of the table's error ("A name is not a tag: for Turkish write 'tr'."), without its first sentence."""
    text = str(error).split("known language.", 1)[-1].strip()
    return text or "`polylect languages` lists the reviewed tags."
