"""What a work says about the languages that it studies: the Bender rule.

"Always name the language you are working on" (Bender 2019, "The #BenderRule: On Naming the Languages We Study and Why It
Matters", The Gradient): work on English that does not say so passes for work on language.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from polylect.gap.survey.words import WORK

__all__ = ["PRACTICES", "claims_languages", "practice_of"]

PRACTICES = ("several", "one_other", "english_said", "claimed", "silent", "not_language")
"""Names several languages; one that is not English; English alone; says that there are several and names none; is about language
and names none, presumably English; shows no sign of being about language."""

_NUMBER = (
    r"(?:\d[\d,]{0,9}|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|"
    r"nineteen|twenty|thirty|forty|fifty|sixty|hundreds? of|dozens of|many|multiple|several|diverse|various|different)"
)
_CLAIM = re.compile(
    rf"\bmulti-?lingual\b|\bcross-?lingual\b|\b{_NUMBER}\s{{1,5}}(?!programming)(?:[\w-]{{1,30}}\s{{1,5}}){{0,2}}?languages\b",
    re.IGNORECASE,
)


def claims_languages(text: str) -> bool:
    """Return whether a text says that there are several languages."""
    return bool(_CLAIM.search(text))


def practice_of(text: str, tags: Collection[str], *, kind: str = "abstract") -> str:
    """Return one of `PRACTICES` for a document's text and the languages that it names."""
    languages = {tag.partition("-")[0] for tag in tags}
    if len(languages) > 1:
        return "several"
    if languages:
        return "english_said" if languages == {"en"} else "one_other"
    if claims_languages(text):
        return "claimed"
    return "silent" if kind.endswith("card") or WORK.search(text) else "not_language"
