"""A folder that a mistake was found in can be used again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from polylect.errors import DataError, EvaluationError
from polylect.safety.folder import SafetyFolder

__all__ = ["usable_again"]


@contextmanager
def usable_again(folder: SafetyFolder) -> Iterator[None]:
    """Forget the settings of a folder when the user's mistake ends the work in it: the corrected command may name it again.

    What models answered stays in its store.
    """
    try:
        yield
    except (DataError, EvaluationError):
        for file in folder.store.glob("settings.json"):
            file.unlink()
        raise
