"""A store of answers in SQLite: what was answered is never asked again, after a crash either."""

from polylect.models.store.database import Row, Store
from polylect.models.store.keys import Keys, answer_key, by_language

__all__ = ["Keys", "Row", "Store", "answer_key", "by_language"]
