"""Which teacher is good at which language, what the router made of it and what that cost: the numbers of routing.json.

Sums are kept, never rows: per language and item a fixed number of figures, so that memory does not grow with the prompts.
Items are what is resampled for the intervals (see `polylect.resampling`). Beyond `GROUPS` items they are put into as many
groups by a hash, and groups are resampled: as the items are independent of each other, so are the groups (random groups:
Wolter 2007, "Introduction to Variance Estimation", chapter 2), and the standard error of a standard error from 1024 of them
is 2 %.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["GROUPS", "Accounts", "Outcome", "Usage"]

GROUPS = 1024
"""Most clusters that are told apart."""

_PROMPT = (
    "prompts",
    "taken",
    "taken_scored",
    "taken_reward",
    "taken_checked",
    "taken_wrong",
    "explored",
    "rerouted",
    "uncompared",
    "compared",
    "routed",
    "oracle",
    "random",
    "beats_random",
)
"""What is added up per prompt. "uncompared": the router was to be compared with the pool, but its answer has no score. From
"compared" on: over the prompts where it is compared."""

_TEACHER = (
    "asked",
    "scored",
    "reward",
    "checked",
    "wrong",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "taken",
    "compared",
    "compared_reward",
    "compared_routed",
    "beaten",
)
"""What is added up per prompt and teacher. From "compared" on: where the router's answer and the teacher's are both scored."""


@dataclass(frozen=True)
class Usage:
    """What a teacher's answers to one prompt used: tokens, and US dollars."""

    prompt_tokens: int
    completion_tokens: int
    cost: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What happened to one prompt.

    Attributes:
        item: of the prompt.
        language: of the prompt.
        rewards: every teacher that was asked -> score of its best answer; None: failed or unscored.
        taken: whose answer was taken; None: nobody's.
        usage: teacher -> what its answers used.
        wrong_language: teacher -> whether its answer is in a wrong language, where that was found out.
        compare: every teacher that serves the language was asked, and the router has not learned from this item: the router
            is compared with the pool here.
        routed: whose answer the router by itself stands for; None: `taken`. They differ on probe items, where all teachers
            were asked whatever the router would have done.
        explored: the teacher was drawn at random.
        rerouted: another teacher was asked because the first one's answer was refused.
        reason: why nothing was taken.
    """

    item: str
    language: str
    rewards: Mapping[str, float | None]
    taken: str | None
    usage: Mapping[str, Usage] = field(default_factory=dict)
    wrong_language: Mapping[str, bool] = field(default_factory=dict)
    compare: bool = False
    routed: str | None = None
    explored: bool = False
    rerouted: bool = False
    reason: str | None = None


class Accounts:
    """Adds up the outcomes of a run, window by window; `polylect.arbitrage.account_report` makes the report of it.

    Args:
        teachers: the pool.
        translation: the teacher that is the translation baseline (a pivot through English), if there is one.
        writer: the name of answers that are written from the others' (the fuse router), which belong to no teacher.
    """

    def __init__(self, teachers: Sequence[str], *, translation: str | None = None, writer: str | None = None) -> None:
        self.teachers = tuple(teachers)
        self.translation, self.writer = translation, writer
        self.columns = (*self.teachers, writer) if writer else self.teachers
        self.not_taken: dict[str, Counter[str]] = {}
        self.range = (float("inf"), float("-inf"))
        self._column = {name: index for index, name in enumerate(self.columns)}
        self._rows: dict[str, int] | None = {}
        self._cells: dict[str, NDArray[np.float64]] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages met so far, sorted."""
        return tuple(sorted(self._cells))

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Add a window of outcomes, best some thousand at a time."""
        import numpy as np

        by_language: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            by_language.setdefault(outcome.language, []).append(outcome)
            if outcome.taken is None:
                self.not_taken.setdefault(outcome.language, Counter())[outcome.reason or "no scored answer"] += 1
        for language, part in by_language.items():
            rows = self._rows_of([outcome.item for outcome in part])
            figures = self._figures(part)
            cells = self._cells_of(language, int(rows.max()) + 1)
            np.add.at(cells, rows, figures)

    def sums(self, language: str, name: str, teacher: str | None = None) -> NDArray[np.float64]:
        """Return one figure per item (or group of items): of the prompts, or of a teacher. Shape (clusters,)."""
        import numpy as np

        column = _PROMPT.index(name) if teacher is None else self._at(name)[self._column[teacher]]
        clusters = GROUPS if self._rows is None else len(self._rows)
        found = np.zeros(clusters)
        cells = self._cells[language][:, column]
        found[: len(cells)] = cells[:clusters]
        return found

    @property
    def items(self) -> int | None:
        """Number of items; None: more than `GROUPS`."""
        return None if self._rows is None else len(self._rows)

    def _at(self, name: str) -> NDArray[np.int64]:
        """Return the columns of a teacher's figure, one per teacher."""
        import numpy as np

        return len(_PROMPT) + len(self.columns) * _TEACHER.index(name) + np.arange(len(self.columns))

    def _rows_of(self, items: Sequence[str]) -> NDArray[np.int64]:
        """Return the cluster of each item; too many items are put into groups, what is there is moved."""
        import numpy as np

        if self._rows is not None:
            for item in items:
                self._rows.setdefault(item, len(self._rows))
            if len(self._rows) <= GROUPS:
                return np.array([self._rows[item] for item in items], dtype=np.int64)
            self._fold(list(self._rows))
        return np.array([_group(item) for item in items], dtype=np.int64)

    def _fold(self, items: Sequence[str]) -> None:
        import numpy as np

        groups = np.array([_group(item) for item in items], dtype=np.int64)
        for language, cells in self._cells.items():
            folded = np.zeros((GROUPS, cells.shape[1]))
            # Items that are new in this window have no cells yet.
            np.add.at(folded, groups[: len(cells)], cells[: len(groups)])
            self._cells[language] = folded
        self._rows = None

    def _cells_of(self, language: str, rows: int) -> NDArray[np.float64]:
        """Return the cells of a language, with room for `rows` clusters."""
        import numpy as np

        cells = self._cells.get(language)
        if cells is None or len(cells) < rows:
            size = min(GROUPS, max(rows, 64 if cells is None else 2 * len(cells)))
            grown = np.zeros((size, len(_PROMPT) + len(_TEACHER) * len(self.columns)))
            if cells is not None:
                grown[: len(cells)] = cells
            self._cells[language] = cells = grown
        return cells

    def _figures(self, outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
        """Return what each outcome adds, shape (N, figures)."""
        import numpy as np

        given = _Given.of(outcomes, self.columns, self._column)
        if given.scored.any():
            values = given.rewards[given.scored]
            self.range = min(self.range[0], float(values.min())), max(self.range[1], float(values.max()))
        return np.concatenate([*_prompt_figures(given, len(self.teachers)), *_teacher_figures(given)], axis=1)


@dataclass(frozen=True)
class _Given:
    """N outcomes as arrays over T columns.

    `rewards` (N, T), NaN: no score; `asked` (N, T); `wrong` (N, T), NaN: unknown; `usage` (3, N, T); `taken` and `routed`
    are columns or -1, (N,); `flags` are compare, explored, rerouted, (N, 3).
    """

    rewards: NDArray[np.float64]
    asked: NDArray[np.bool_]
    wrong: NDArray[np.float64]
    usage: NDArray[np.float64]
    taken: NDArray[np.int64]
    routed: NDArray[np.int64]
    flags: NDArray[np.bool_]

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Where there is a reward."""
        import numpy as np

        return ~np.isnan(self.rewards)

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], columns: Sequence[str], column: Mapping[str, int]) -> _Given:
        """Lay the outcomes out."""
        import numpy as np

        nan = float("nan")
        shape = (len(outcomes), len(columns))
        rewards, wrong = np.full(shape, nan), np.full(shape, nan)
        asked, usage = np.zeros(shape, dtype=np.bool_), np.zeros((3, *shape))
        for row, outcome in enumerate(outcomes):
            for name, reward in outcome.rewards.items():
                asked[row, column[name]] = True
                rewards[row, column[name]] = nan if reward is None else reward
            for name, used in outcome.usage.items():
                usage[:, row, column[name]] = used.prompt_tokens, used.completion_tokens, used.cost
            for name, found in outcome.wrong_language.items():
                wrong[row, column[name]] = found
        taken = np.array([-1 if o.taken is None else column[o.taken] for o in outcomes])
        routed = np.array([t if o.routed is None else column[o.routed] for o, t in zip(outcomes, taken, strict=True)])
        flags = np.array([(o.compare, o.explored, o.rerouted) for o in outcomes], dtype=np.bool_)
        return cls(rewards, asked, wrong, usage, taken, routed, flags)

    def at(self, values: NDArray[np.float64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one value per row, (N, 1); NaN where the column is -1."""
        import numpy as np

        picked = np.take_along_axis(values, np.maximum(column, 0)[:, None], axis=1)
        return np.where(column[:, None] >= 0, picked, np.nan)


def _beats(routed: NDArray[np.float64], rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where the router's answer is better, 0.5 where both are equal; NaN where one has no score. Shape (N, T)."""
    import numpy as np

    known = ~(np.isnan(routed) | np.isnan(rewards))
    return np.where(known, (routed > rewards) + 0.5 * (routed == rewards), np.nan)


def _prompt_figures(given: _Given, pool: int) -> list[NDArray[np.float64]]:
    """Return the columns of `_PROMPT`, each (N, 1); `pool` is the number of teachers."""
    import numpy as np

    rewards = given.rewards[:, :pool]
    scored = given.scored[:, :pool]
    number = scored.sum(axis=1, keepdims=True)
    routed, taken = given.at(given.rewards, given.routed), given.at(given.rewards, given.taken)
    wrong = given.at(given.wrong, given.taken)
    compared = given.flags[:, :1] & (number > 0) & ~np.isnan(routed)
    over = np.maximum(number, 1)
    oracle = np.where(scored, rewards, -np.inf).max(axis=1, keepdims=True)
    random = np.nansum(rewards, axis=1, keepdims=True) / over
    beats = np.nansum(_beats(routed, rewards), axis=1, keepdims=True) / over
    columns = [
        np.ones_like(routed),
        given.taken[:, None] >= 0,
        ~np.isnan(taken),
        np.nan_to_num(taken),
        ~np.isnan(wrong),
        np.nan_to_num(wrong),
        given.flags[:, 1:2],
        given.flags[:, 2:3],
        given.flags[:, :1] & ~compared,
        compared,
        *(np.where(compared, value, 0.0) for value in (routed, oracle, random, beats)),
    ]
    return [column.astype(np.float64) for column in columns]


def _teacher_figures(given: _Given) -> list[NDArray[np.float64]]:
    """Return the columns of `_TEACHER`, each (N, T)."""
    import numpy as np

    routed = given.at(given.rewards, given.routed)
    compared = given.flags[:, :1] & given.scored & ~np.isnan(routed)
    taken = given.taken[:, None] == np.arange(given.rewards.shape[1])
    columns = [
        given.asked,
        given.scored,
        np.nan_to_num(given.rewards),
        ~np.isnan(given.wrong),
        np.nan_to_num(given.wrong),
        *given.usage,
        taken,
        compared,
        *(np.where(compared, value, 0.0) for value in (given.rewards, routed, _beats(routed, given.rewards))),
    ]
    return [column.astype(np.float64) for column in columns]


def _group(item: str) -> int:
    return zlib.crc32(item.encode()) % GROUPS
