"""Which languages a text may be in instead of the one it should be in."""

from __future__ import annotations

from functools import cache

from polylect.languages import known

__all__ = ["drift"]

_MOST = 5
"""Resource class of the languages with most data (Joshi et al. 2020)."""


@cache
def drift(*languages: str) -> frozenset[str]:
    """Return `languages` and those with most data, into which multilingual models and translators fall (Marchisio et al. 2024).

    Choosing between few languages makes fewer mistakes than choosing between all that are known (docs/languages.md).
    """
    return frozenset(languages) | {row.tag for row in known() if row.resource_class == _MOST}
