"""Tokenization premiums beside the scores: measured here with a tokenizer, or read from `polylect gap tokenizer`'s document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.gap.document import read_document

__all__ = ["Premiums", "premiums_of"]


@dataclass(frozen=True)
class Premiums:
    """Premiums by language, the tokenizer's name, where they come from, and the languages that have none."""

    values: dict[str, float]
    tokenizer: str
    source: str


def premiums_of(tokenizer: str | Path | None, document: Path | None, languages: Iterable[str]) -> Premiums | None:
    """Return premiums, None where neither a tokenizer nor a document is named.

    Args:
        tokenizer: as `gap_tokenizer` takes it; measured on the declaration, in those languages that it has.
        document: gap.json of `polylect gap tokenizer`, or its folder, of one tokenizer.
        languages: tags wanted.

    Raises:
        DataError: both are named, or the document is not of one tokenizer.
        ModelError: the tokenizer cannot be used.
    """
    if tokenizer is not None and document is not None:
        raise DataError("--tokenizer and --premiums: both say what languages cost. Name one of them.")
    if document is not None:
        return _read(document)
    return None if tokenizer is None else _measured(tokenizer, set(languages))


def _read(path: Path) -> Premiums:
    content = read_document(path, "tokenizer")
    names = list(dict.fromkeys(str(row["tokenizer"]) for row in content["rows"]))
    if len(names) != 1:
        raise DataError(
            f"{path}: premiums of {len(names)} tokenizers ({', '.join(names)}); results belong to one. Run "
            "`polylect gap tokenizer` with the model's own tokenizer alone."
        )
    return _premiums(content["rows"], names[0], str(path))


def _measured(tokenizer: str | Path, languages: set[str]) -> Premiums:
    from polylect.gap.corpus import UDHR, load
    from polylect.gap.tokens import gap_tokenizer

    wanted = languages & set(load(UDHR).languages)
    content = gap_tokenizer([tokenizer], UDHR, sorted(wanted | {"en"}))
    return _premiums(content["rows"], content["rows"][0]["tokenizer"], "measured on the Universal Declaration of Human Rights")


def _premiums(rows: list[dict[str, Any]], name: str, source: str) -> Premiums:
    return Premiums({row["language"]: row["premium"] for row in rows if row["premium"] is not None}, name, source)
