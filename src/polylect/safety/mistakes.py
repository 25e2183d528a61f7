"""A folder that a mistake was found in can be used again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from polylect.errors import DataError, EvaluationError, ModelError
from polylect.safety.folder import SafetyFolder

__all__ = ["usable_again"]


@contextmanager
def usable_again(folder: SafetyFolder) -> Iterator[None]:
    """Forget the settings of a folder when the user's mistake ends the work in it: the corrected command may name it again.

    What models answered stays in its store. A model that breaks down after answers is no mistake of the user's: the folder keeps
    its settings, and the same command goes on.
    """
    try:
        yield
    except (DataError, EvaluationError, ModelError) as error:
        if not isinstance(error, ModelError) or not any(map(_holds_rows, folder.store.glob("*.sqlite"))):
            for file in folder.store.glob("settings.json"):
                file.unlink()
        raise


def _holds_rows(path: Path) -> bool:
    """Tell whether any table of an SQLite file has a row."""
    import sqlite3

    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return any(connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in names)  # noqa: S608  # own names
