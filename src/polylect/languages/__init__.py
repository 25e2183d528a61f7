"""Facts about languages, as data, and the identification of the language of a text. No model is called here."""

from __future__ import annotations

from polylect.languages.grouping import clusters
from polylect.languages.identification import (
    Identification,
    identifiable,
    identify,
    identify_many,
    in_language,
    line_pass,
    neighbours,
)
from polylect.languages.table import Language, canonical, get, known

__all__ = [
    "Identification",
    "Language",
    "canonical",
    "clusters",
    "get",
    "identifiable",
    "identify",
    "identify_many",
    "in_language",
    "known",
    "line_pass",
    "neighbours",
]
