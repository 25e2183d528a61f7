"""Stand-ins for the tests of prompt making: tables, a translator with a dictionary, a model that says what a function says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from polylect.models.fakes import FakeModel


def table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def read(folder: Path, name: str = "prompts") -> list[dict[str, Any]]:
    """Return the rows of an output table."""
    return pl.read_parquet(folder / f"{name}.parquet").to_dicts()


class Dictionary:
    """A translator that knows some texts and gives others back as they are; it counts what it is asked."""

    name = "dictionary"

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.entries, self.asked = entries, []

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Any]:
        """Translate by looking up."""
        self.asked += texts
        return [self.entries.get(text, text) for text in texts]


def saying(reply: Callable[[str], str], name: str = "writer", **settings: Any) -> FakeModel:
    """Return a model that answers a request with what `reply` makes of its text."""
    return FakeModel(name, known=lambda text: ("en", reply(text)), **settings)
