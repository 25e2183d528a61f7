"""Who is asked for each prompt, on disk: a few bytes per prompt, in the order of the prompts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from polylect.errors import RecipeError

__all__ = ["MOST_TEACHERS", "Plan", "PlanFile", "PlanReader"]

MOST_TEACHERS = 254
_NOBODY = 255


@dataclass(frozen=True, slots=True)
class Plan:
    """Teachers for one prompt, as indices, in order of preference.

    The first `asked` answer at once. The next one is asked when a single teacher was asked and its answer was refused.
    """

    asked: int
    order: tuple[int, ...]

    @property
    def now(self) -> tuple[int, ...]:
        """The teachers that answer at once."""
        return self.order[: self.asked]

    @property
    def fallback(self) -> int | None:
        """The teacher that is asked when the only one asked at once has no good answer."""
        return self.order[1] if self.asked == 1 and len(self.order) > 1 else None


class PlanFile:
    """A file of plans: per prompt one byte for `asked` and one per teacher (255: nobody).

    Args:
        path: of the file.
        teachers: their number.

    Raises:
        RecipeError: more teachers than a byte can name.
    """

    def __init__(self, path: Path, teachers: int) -> None:
        if teachers > MOST_TEACHERS:
            raise RecipeError(f"the pool has {teachers} teachers; at most {MOST_TEACHERS} fit. Split the pool.")
        self.path, self._teachers, self._width = path, teachers, teachers + 1

    def write(self, windows: Iterator[Sequence[Plan]]) -> None:
        """Write the plans, whole or not at all."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            for plans in windows:
                file.write(b"".join(bytes((plan.asked, *plan.order)).ljust(self._width, b"\xff") for plan in plans))
        temporary.replace(self.path)

    @contextmanager
    def open(self) -> Iterator[PlanReader]:
        """Open the file for reading from the start."""
        with self.path.open("rb") as file:
            yield PlanReader(file, self._width)


class PlanReader:
    """Reads plans in their order."""

    def __init__(self, file: BinaryIO, width: int) -> None:
        self._file, self._width = file, width
        self._known: dict[bytes, Plan] = {}

    def read(self, count: int) -> list[Plan]:
        """Return the next `count` plans."""
        block = self._file.read(count * self._width)
        return [self._plan(block[start : start + self._width]) for start in range(0, len(block), self._width)]

    def _plan(self, row: bytes) -> Plan:
        # There are few different plans: they are made once.
        plan = self._known.get(row)
        if plan is None:
            plan = Plan(row[0], tuple(index for index in row[1:] if index != _NOBODY))
            if len(self._known) < 65536:
                self._known[row] = plan
        return plan
