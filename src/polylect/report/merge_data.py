"""What a report shows of a merge: the statistics of its tensors, added up per layer and input.

Adding stored sums is all that is done here: the cosine of a layer is that over all its sampled entries, not a mean of cosines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from polylect import tables
from polylect.records import Difference, MergeInput, MergePair, Record, Trial

__all__ = ["INPUTS", "PAIRS", "LayerInput", "LayerPair", "MergeStep", "merge_step", "pool_inputs", "pool_pairs"]

INPUTS, PAIRS = "merge_inputs.parquet", "merge_pairs.parquet"
"""Names of the two tables in the output folder of a merge."""

TRIALS, DIFFERENCES, REGRET = "trials.parquet", "differences.parquet", "regret.parquet"
"""Names of what a search for weights adds: its evaluations, and its recommendation against others on held-out items."""

_SEARCHED = "model"
"""Folder of the recommended merge in the output folder of a search."""

R = TypeVar("R", bound=Record)

_TASK_SUMS = ("square_task", "square_task_merged", "dot", "nonzero", "conflicting")


@dataclass(frozen=True)
class LayerInput:
    """One input of a merge over a set of tensors: sums over their entries, estimated from the sampled ones.

    The sums are those of `polylect.records.MergeInput`; those of task vectors are None for a merge without a base.
    `layer` is -1 for tensors outside the layers.
    """

    layer: int
    model: str
    parameters: int
    sampled: int
    square_merged: float
    square_distance: float
    square_task: float | None
    square_task_merged: float | None
    dot: float | None
    nonzero: float | None
    conflicting: float | None

    @property
    def distance(self) -> float | None:
        """Relative L2 distance to the merged tensors."""
        share = _ratio(self.square_distance, self.square_merged)
        return None if share is None else math.sqrt(share)

    @property
    def cosine(self) -> float | None:
        """Cosine of the input's task vector and the merged one."""
        return _cosine(self.dot, self.square_task, self.square_task_merged)

    @property
    def sign_conflict(self) -> float | None:
        """Share of the task vector's non-zero entries whose sign is opposite to the merged one's."""
        return _ratio(self.conflicting, self.nonzero)


@dataclass(frozen=True)
class LayerPair:
    """Two inputs of a merge over a set of tensors: dot product and squared norms of their task vectors."""

    layer: int
    model: str
    other: str
    parameters: int
    sampled: int
    dot: float
    square_model: float
    square_other: float

    @property
    def cosine(self) -> float | None:
        """Cosine of the two task vectors."""
        return _cosine(self.dot, self.square_model, self.square_other)


@dataclass(frozen=True)
class MergeStep:
    """One merge: `name` is the stage it made, `weights` maps its inputs to their weights where they are known.

    A search for weights has `trials`, `differences` between what it recommends (`a`) and other weights (`b`), and `regret`:
    per language its best input (`a`) minus what is recommended (`b`). `based` is False where the merge had no base: there are
    no task vectors then.
    """

    name: str
    title: str
    inputs: tuple[LayerInput, ...]
    pairs: tuple[LayerPair, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    differences: tuple[Difference, ...] = ()
    regret: tuple[Difference, ...] = ()
    based: bool = True

    @property
    def models(self) -> tuple[str, ...]:
        """The inputs, in the order of the merge."""
        return tuple(dict.fromkeys(row.model for row in self.inputs))


def merge_step(folder: Path, name: str, title: str, weights: Mapping[str, float]) -> MergeStep | None:
    """Read one merge from the tables in its output folder, or return None where there are none.

    Raises:
        DataError: a table cannot be read or breaks its schema.
    """
    merged = folder if (folder / INPUTS).is_file() else folder / _SEARCHED
    inputs = _table(merged / INPUTS, MergeInput)
    step = MergeStep(
        name=name,
        title=title,
        inputs=tuple(_add_inputs(inputs)),
        pairs=tuple(_add_pairs(_table(merged / PAIRS, MergePair))),
        weights=dict(weights),
        trials=tuple(_table(folder / TRIALS, Trial)),
        differences=tuple(_table(folder / DIFFERENCES, Difference)),
        regret=tuple(_table(folder / REGRET, Difference)),
        based=any(row.dot is not None for row in inputs),
    )
    return step if step.inputs or step.trials or step.regret else None


def _table(path: Path, kind: type[R]) -> list[R]:
    return tables.read(path, kind, allow_empty=True) if path.is_file() else []


def pool_inputs(rows: Iterable[LayerInput], layer: int) -> LayerInput | None:
    """Add up rows of one input over several layers, as one row called `layer`; None where there are none."""
    rows = list(rows)
    if not rows:
        return None
    sums = {name: _sum(getattr(row, name) for row in rows) for name in _TASK_SUMS}
    return LayerInput(
        layer=layer,
        model=rows[0].model,
        parameters=sum(row.parameters for row in rows),
        sampled=sum(row.sampled for row in rows),
        square_merged=math.fsum(row.square_merged for row in rows),
        square_distance=math.fsum(row.square_distance for row in rows),
        **sums,
    )


def pool_pairs(rows: Iterable[LayerPair], layer: int) -> LayerPair | None:
    """Add up rows of one pair over several layers, as one row called `layer`; None where there are none."""
    rows = list(rows)
    if not rows:
        return None
    return LayerPair(
        layer=layer,
        model=rows[0].model,
        other=rows[0].other,
        parameters=sum(row.parameters for row in rows),
        sampled=sum(row.sampled for row in rows),
        dot=math.fsum(row.dot for row in rows),
        square_model=math.fsum(row.square_model for row in rows),
        square_other=math.fsum(row.square_other for row in rows),
    )


def _add_inputs(rows: Sequence[MergeInput]) -> list[LayerInput]:
    """Add up the tensors of each layer for each input, in the order in which the inputs first occur."""
    groups: dict[tuple[str, int], list[LayerInput]] = {}
    for row in sorted(rows, key=lambda row: row.layer):
        groups.setdefault((row.model, row.layer), []).append(_scaled_input(row))
    pooled = {key: pool_inputs(group, key[1]) for key, group in groups.items()}
    order = dict.fromkeys(row.model for row in rows)
    return [row for model in order for (name, _), row in pooled.items() if name == model and row is not None]


def _add_pairs(rows: Sequence[MergePair]) -> list[LayerPair]:
    groups: dict[tuple[str, str, int], list[LayerPair]] = {}
    for row in sorted(rows, key=lambda row: row.layer):
        groups.setdefault((row.model, row.other, row.layer), []).append(_scaled_pair(row))
    pooled = {key: pool_pairs(group, key[2]) for key, group in groups.items()}
    order = dict.fromkeys((row.model, row.other) for row in rows)
    return [row for pair in order for (*names, _), row in pooled.items() if tuple(names) == pair and row is not None]


def _scaled_input(row: MergeInput) -> LayerInput:
    """One tensor's sums, scaled from its sample to all its elements, so that tensors weigh by their size."""
    scale = row.parameters / row.sampled if row.sampled else 0.0
    task: dict[str, Any] = {name: None if (v := getattr(row, name)) is None else scale * v for name in _TASK_SUMS}
    return LayerInput(
        layer=row.layer,
        model=row.model,
        parameters=row.parameters,
        sampled=row.sampled,
        square_merged=scale * row.square_merged,
        square_distance=scale * row.square_distance,
        **task,
    )


def _scaled_pair(row: MergePair) -> LayerPair:
    scale = row.parameters / row.sampled if row.sampled else 0.0
    return LayerPair(
        layer=row.layer,
        model=row.model,
        other=row.other,
        parameters=row.parameters,
        sampled=row.sampled,
        dot=scale * row.dot,
        square_model=scale * row.norm_model**2,
        square_other=scale * row.norm_other**2,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _cosine(dot: float | None, square: float | None, other: float | None) -> float | None:
    """Cosine from a dot product and two squared norms; rounding must not carry it past 1."""
    if dot is None or not square or not other:
        return None
    return max(-1.0, min(1.0, dot / math.sqrt(square) / math.sqrt(other)))
