"""Is a reward model read as it should be? Two questions with known answers, asked before it scores anything.

A batch of N must score as N batches of 1 (padding, pooling, dtype); good answers must beat bad ones in each language of the
job. The questions are in `canaries.json`; docs/reward-model.md says what passing them means and what it does not.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Protocol

from polylect import languages as facts
from polylect.errors import DataError, LanguageError, ModelError
from polylect.models.reward_inputs import Dialogue

__all__ = ["TOLERANCE", "Canary", "LanguageTest", "SelfTest", "canaries", "read_canaries", "self_test"]

TOLERANCE = {"float32": 1e-3, "float16": 3e-2, "bfloat16": 1e-1}
"""Largest root mean square difference of rewards between batches, relative to the standard deviation of the rewards. Sums are
taken in another order in another batch: measured are 1e-6 in float32 and 0.015 in bfloat16; reading a wrong token gives 1.6."""

_NEEDED = 0.75
"""Share of a language's canaries that must pass. Of four, three: chance passes 5 times in 16."""


@dataclass(frozen=True)
class Canary:
    """A question whose `good` answer every reward model should prefer to its `bad` one; `kind` says what is wrong with that."""

    kind: str
    question: str
    good: str
    bad: str


@dataclass(frozen=True)
class LanguageTest:
    """How the canaries of one language went: `margins` are reward(good) - reward(bad) by kind."""

    language: str
    margins: Mapping[str, float]

    @property
    def failed(self) -> tuple[str, ...]:
        """Kinds of canary whose bad answer was not beaten."""
        return tuple(kind for kind, margin in self.margins.items() if not margin > 0)

    @property
    def fit(self) -> bool | None:
        """Whether enough canaries passed; None: not tested, there are none in the language."""
        if not self.margins:
            return None
        return len(self.margins) - len(self.failed) >= _NEEDED * len(self.margins)

    def __str__(self) -> str:
        if self.fit is None:
            return f"{self.language}: not tested (no canaries)"
        passed = f"{len(self.margins) - len(self.failed)} of {len(self.margins)} canaries"
        return f"{self.language}: {passed}" + (f", failed: {', '.join(self.failed)}" if self.failed else "")


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found: the difference between batches of N and of 1 (see `TOLERANCE`), and each language's canaries."""

    dtype: str
    difference: float
    languages: Mapping[str, LanguageTest]

    @property
    def unfit(self) -> tuple[str, ...]:
        """Languages that failed their canaries."""
        return tuple(language for language, test in self.languages.items() if test.fit is False)

    @property
    def untested(self) -> tuple[str, ...]:
        """Languages that have no canaries."""
        return tuple(language for language, test in self.languages.items() if test.fit is None)


class _Scorer(Protocol):
    name: str
    dtype: str

    def encode(self, dialogue: Dialogue) -> list[int]: ...

    def rewards(self, rows: Sequence[Sequence[int]]) -> list[float]: ...


@cache
def canaries() -> Mapping[str, tuple[Canary, ...]]:
    """Return the canaries of each language that has some."""
    text = resources.files("polylect.models").joinpath("canaries.json").read_text(encoding="utf-8")
    return {language: tuple(Canary(*row) for row in rows) for language, rows in json.loads(text)["canaries"].items()}


def read_canaries(path: Path) -> dict[str, tuple[Canary, ...]]:
    """Return canaries of one's own: JSON lines with language, question, good, bad and perhaps kind, one name for each.

    Raises:
        DataError: the file is missing, or a line is no such object.
    """
    found: dict[str, list[Canary]] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as canaries ({error}). Give a file of JSON lines.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows = found.setdefault(facts.canonical(row["language"]), [])
            canary = Canary(str(row.get("kind") or len(rows) + 1), row["question"], row["good"], row["bad"])
            if canary.kind in [other.kind for other in rows]:
                raise ValueError(f"kind {canary.kind!r} is there twice in {row['language']}")
            rows.append(canary)
        except (ValueError, KeyError, TypeError, AttributeError, LanguageError) as error:
            raise DataError(
                f"{path}, line {number}: no canary ({error}). Write an object with language, question, good and bad."
            ) from error
    return {language: tuple(rows) for language, rows in found.items()}


def self_test(model: _Scorer, languages: Iterable[str], own: Mapping[str, Sequence[Canary]] | None = None) -> SelfTest:
    """Test a reward model in `languages`; see `SelfTest`.

    Args:
        model: what to test.
        languages: of the job.
        own: canaries that take the place of ours in their languages.

    Raises:
        ModelError: a batch of N scores otherwise than N batches of 1. Failed canaries raise nothing here.
    """
    wanted = list(dict.fromkeys(languages))
    known = {**canaries(), **(own or {})}
    # English serves the comparison of batches where no language of the job has canaries.
    texts = [(tag, canary) for tag in wanted for canary in known.get(tag, ())] or [("en", canary) for canary in known["en"]]
    rewards: dict[tuple[str, str], tuple[float, float]] = {}
    difference = 0.0
    for start in range(0, len(texts), 8):
        part = texts[start : start + 8]
        rows = [model.encode(Dialogue((("user", c.question),), answer)) for _, c in part for answer in (c.good, c.bad)]
        together = model.rewards(rows)
        if start == 0:
            difference = _difference(model, rows, together)
        rewards.update(
            ((tag, c.kind), (together[2 * n], together[2 * n + 1])) for n, (tag, c) in enumerate(part) if tag in wanted
        )
    tests = {tag: LanguageTest(tag, {c.kind: _margin(rewards[tag, c.kind]) for c in known.get(tag, ())}) for tag in wanted}
    return SelfTest(model.dtype, difference, tests)


def _margin(rewards: tuple[float, float]) -> float:
    return rewards[0] - rewards[1]


def _difference(model: _Scorer, rows: Sequence[Sequence[int]], together: Sequence[float]) -> float:
    """Return how far rows scored `together` are from the same rows alone (see `TOLERANCE`); raise where it is not rounding."""
    alone = [model.rewards([row])[0] for row in rows]
    error = math.sqrt(statistics.fmean((a - b) ** 2 for a, b in zip(alone, together, strict=True)))
    # The rewards' own spread is the yardstick, since their unit is the model's own.
    spread = statistics.pstdev(alone)
    difference = error / spread if spread else (math.inf if error else 0.0)
    tolerance = TOLERANCE.get(model.dtype, TOLERANCE["bfloat16"])
    # `not <=` catches NaN too.
    if not difference <= tolerance:
        raise ModelError(
            f"{model.name}: a batch scores otherwise than its texts one by one: the difference is {difference:.3g} of the "
            f"rewards' spread, where rounding in {model.dtype} explains {tolerance}. The model reads the padding, so its scores "
            "cannot be trusted. Take another reward model, or batch_tokens: 1."
        )
    return difference
