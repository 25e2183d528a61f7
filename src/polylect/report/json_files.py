"""JSON files that a report is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["read_json"]


def read_json(path: Path, give: str, again: str) -> Any:
    """Return what a file holds.

    Args:
        path: of the file.
        give: what should be given where it cannot be read, for the message: "the output folder of ...".
        again: how the file is made again, as a sentence.

    Raises:
        DataError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). Give {give}.") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}). {again}") from error
