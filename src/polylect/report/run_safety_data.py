"""What the report of a run shows of its safety, as plain frozen records, and the same as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from polylect.records import MULTIPLE

__all__ = ["DistilledRow", "MixtureRow", "RunSafety", "SafetyChange", "SafetyRate", "from_safety", "to_safety"]

T = TypeVar("T")


@dataclass(frozen=True)
class SafetyRate:
    """How often one outcome came from a model in a language ("mul": mean over languages), with its 95 % interval.

    `status` is "ok", or says why there is no value ("judge unfit", "no verdicts").
    """

    stage: str
    prompts: str
    language: str
    outcome: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    status: str


@dataclass(frozen=True)
class SafetyChange:
    """A rate of a later model minus that of the first, over the `n` prompts that have an outcome in both."""

    stage: str
    prompts: str
    language: str
    outcome: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class MixtureRow:
    """The data of one training: rows of each sort, the share of safety rows asked for and reached.

    `kind` is "sft" or "pairs"; `met` is whether the share is as near as whole rows allow; `short` maps categories to the number
    of harmless answers that their refusals lack.
    """

    training: str
    kind: str
    rows: int
    safety: int
    anchors: int
    general: int
    share: float
    reached: float
    met: bool
    short: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DistilledRow:
    """What came of the prompts of one sort ("harmful", "harmless") in a language: asked, answered, kept, and in pairs."""

    prompts: str
    language: str
    asked: int
    without_preamble: int
    answers: int
    kept: int
    pairs: int


@dataclass(frozen=True)
class RunSafety:
    """Everything that a run's report shows of safety.

    Attributes:
        stages: name and title of every model that was measured; the first is "before", the last "after".
        rates: of those models.
        changes: against the first of them.
        mixtures: of the trainings that had safety rows.
        distilled: what was kept; empty where nothing was distilled.
        teacher: whose refusals they are.
        source: who judged: a model, or the detector.
        page: address of the page on the evaluations, relative to the report; "" where there is none.
        notes: of the documents.
    """

    stages: list[tuple[str, str]]
    rates: list[SafetyRate]
    changes: list[SafetyChange]
    mixtures: list[MixtureRow]
    distilled: list[DistilledRow]
    teacher: str = ""
    source: str = ""
    page: str = ""
    notes: tuple[str, ...] = ()

    def rate(self, stage: str, prompts: str, outcome: str, language: str) -> SafetyRate | None:
        """Return a rate, None where no such prompt was asked."""
        wanted = (stage, prompts, outcome, language)
        return next((one for one in self.rates if (one.stage, one.prompts, one.outcome, one.language) == wanted), None)

    def change(self, stage: str, prompts: str, outcome: str, language: str) -> SafetyChange | None:
        """Return what changed to a model, None where it cannot be told."""
        wanted = (stage, prompts, outcome, language)
        return next((one for one in self.changes if (one.stage, one.prompts, one.outcome, one.language) == wanted), None)

    @property
    def languages(self) -> list[str]:
        """Languages that were measured, without that of the mean."""
        return list(dict.fromkeys(one.language for one in self.rates if one.language != MULTIPLE))


def to_safety(data: RunSafety) -> dict[str, Any]:
    """Return the safety of a run as plain JSON values."""
    return {**asdict(data), "stages": [{"name": name, "title": title} for name, title in data.stages]}


def from_safety(document: Mapping[str, Any]) -> RunSafety:
    """Return the safety that `to_safety` made into `document`; a missing field is a KeyError or TypeError."""
    return RunSafety(
        stages=[(row["name"], row["title"]) for row in document["stages"]],
        rates=_rows(SafetyRate, document["rates"]),
        changes=_rows(SafetyChange, document["changes"]),
        mixtures=_rows(MixtureRow, document["mixtures"]),
        distilled=_rows(DistilledRow, document["distilled"]),
        notes=tuple(document["notes"]),
        **{name: document[name] for name in ("teacher", "source", "page")},
    )


def _rows(kind: type[T], rows: Sequence[Mapping[str, Any]]) -> list[T]:
    return [kind(**{one.name: row[one.name] for one in fields(kind)}) for row in rows]  # type: ignore[arg-type]
