"""Documents of `polylect safety`, read and checked: what a page takes from one is named when it is not there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.report.json_files import read_json

__all__ = ["DOCUMENT", "SCHEMA", "Ends", "checked", "counts_of", "ends_of", "kind_of", "number", "read", "text_of", "value_of"]

DOCUMENT, SCHEMA = "safety.json", "polylect.safety/1"
_AGAIN = "Run the command again with this version."

_WORDS = {str: "a text", int: "a whole number", list: "a list", Mapping: "an object"}


@dataclass(frozen=True)
class Ends:
    """A rate or a difference of rates, with the ends of its 95 % interval; None: not known."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval of a difference excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def kind_of(folder: Path) -> str | None:
    """Return which command of `polylect safety` wrote a folder (or safety.json); None where none has."""
    file = _file(folder)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(found.get("kind")) if isinstance(found, Mapping) and found.get("schema") == SCHEMA else None


def read(folder: Path, kind: str) -> Mapping[str, Any]:
    """Return the safety.json in a folder (or at a path) with `rows` (objects), `summary` and `notes`.

    Raises:
        DataError: it is missing, not JSON, of another schema or another kind, or lacks one of these.
    """
    path = _file(folder)
    found = read_json(path, f"the folder of a finished `polylect safety {kind}`", _AGAIN)
    if not isinstance(found, Mapping) or found.get("schema") != SCHEMA:
        schema = found.get("schema") if isinstance(found, Mapping) else type(found).__name__
        raise DataError(f"{path}: schema {schema!r}; expected {SCHEMA!r}. {_AGAIN}")
    if found.get("kind") != kind:
        raise DataError(
            f"{path}: a document of `polylect safety {found.get('kind')}`; the page is made of those of `polylect safety {kind}`."
        )
    checked(path, "summary", found.get("summary"), Mapping)
    checked(path, "notes", found.get("notes"), list)
    for place, row in enumerate(checked(path, "rows", found.get("rows"), list), start=1):
        checked(path, f"rows, number {place}", row, Mapping)
    return found


def _file(folder: Path) -> Path:
    return folder / DOCUMENT if folder.is_dir() else folder


def checked(path: Path | str, name: str, found: Any, wanted: type) -> Any:
    """Return a value of a document.

    Raises:
        DataError: it is of another type.
    """
    if not isinstance(found, wanted) or (wanted is int and isinstance(found, bool)):
        raise DataError(f"{path}: {name}: {str(found)[:80]!r} found where {_WORDS[wanted]} is expected. {_AGAIN}")
    return found


def value_of(where: str, row: Mapping[str, Any], name: str, wanted: type) -> Any:
    """Return a field of a row; see `checked`."""
    return checked(where, name, row.get(name), wanted)


def text_of(where: str, row: Mapping[str, Any], name: str) -> str:
    """Return a field of a row that is a text; see `checked`."""
    return str(checked(where, name, row.get(name), str))


def ends_of(where: str, row: Any) -> Ends:
    """Return `value`, `low` and `high` of a row.

    Raises:
        DataError: one is neither a finite number nor null.
    """
    checked(where, "an entry", row, Mapping)
    return Ends(*(number(where, name, row.get(name)) for name in ("value", "low", "high")))


def number(where: str, name: str, found: Any) -> float | None:
    """Return a finite number, or None for null.

    Raises:
        DataError: it is neither.
    """
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise DataError(f"{where}: {name}: {str(found)[:80]!r} found where a number or null is expected. {_AGAIN}")
    return float(found)


def counts_of(found: Any) -> dict[str, int]:
    """Return counts by name, those above 0; what is no count is passed over."""
    if not isinstance(found, Mapping):
        return {}
    return {str(name): one for name, one in found.items() if isinstance(one, int) and not isinstance(one, bool) and one > 0}
