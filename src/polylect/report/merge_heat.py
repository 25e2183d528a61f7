"""Heat maps of a merge: layers from left to right, one row per input or pair of inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polylect.report import svg
from polylect.report.merge_cells import OUTSIDE, Columns, axis, cells, hatched, limit_of, numbers, shades
from polylect.report.merge_data import LayerInput, LayerPair, MergeStep, pool_inputs, pool_pairs
from polylect.report.numerals import cosine, percent, small_percent
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table

__all__ = ["MAX_PAIRS", "cosine_pairs", "cosine_with_merged", "distances", "maps", "sign_conflicts"]

MAX_PAIRS = 28
"""Pairs in one map: all of eight inputs; of more, the pairs that point furthest apart are shown."""

_TABLE_CELLS = 700
_WRITTEN_COLUMNS, _WRITTEN_CELLS = 40, 480
"""Numbers stand in the cells of maps that are smaller; the style sheet hides them where the page is too narrow for so many."""

_FEW_COLUMNS, _SOME_COLUMNS = 10, 22
_TALL, _LOW, _FEW_ROWS = 26, 16, 12


@dataclass(frozen=True)
class _Line:
    """One row of a map: its head, a value per layer, and the value over the whole model."""

    label: Label
    values: list[float | None]
    whole: float | None
    banded: list[float | None]


@dataclass(frozen=True)
class _Kind:
    """What a map shows: words, how a value is written (in a cell, beside a row), and whether it has a sign.

    `missing` says what it means that there is no value.
    """

    name: str
    title: str
    description: str
    caption: str
    in_cell: Callable[[float], str]
    written: Callable[[float | None], str]
    signed: bool
    missing: str = "Nothing changed, or not measured"


def maps(step: MergeStep, prefix: str) -> list[Chart]:
    """Return the maps of a merge that its tables allow; ids of the page start with `prefix`.

    With a base: sign conflict and cosine of each input with the merged model, and cosines between inputs. Without one there
    are no task vectors, and the distances to the merged model are all that can be shown.
    """
    if not step.based:
        return [distances(step, prefix)]
    found = [sign_conflicts(step, prefix), cosine_with_merged(step, prefix)]
    return [*found, cosine_pairs(step, prefix)] if step.pairs else found


def sign_conflicts(step: MergeStep, prefix: str) -> Chart:
    """Share of sign conflicts with the merged model: inputs by layers."""
    kind = _Kind(
        name=f"{prefix}-conflict",
        title="Sign conflict with the merged model",
        description=(
            "Share of the entries that an input changed (against the base) whose change has the opposite sign in the merged "
            "model. 0% means that the merge went the input's way everywhere, 50% is what unrelated changes give."
        ),
        caption="Sign conflict with the merged model",
        in_cell=lambda value: f"{100 * value:.0f}",
        written=percent,
        signed=False,
    )
    return _input_map(step, kind, lambda row: row.sign_conflict)


def cosine_with_merged(step: MergeStep, prefix: str) -> Chart:
    """Cosine of the inputs' task vectors with the merged one: inputs by layers."""
    kind = _Kind(
        name=f"{prefix}-cosine",
        title="Cosine with the merged model",
        description=(
            "Cosine between what an input changed (its task vector, against the base) and what the merged model changed. 1 is "
            "the same direction, 0 unrelated, below 0 opposed."
        ),
        caption="Cosine of task vectors with the merged one",
        in_cell=_short,
        written=cosine,
        signed=True,
    )
    return _input_map(step, kind, lambda row: row.cosine)


def distances(step: MergeStep, prefix: str) -> Chart:
    """Relative L2 distance of the inputs to the merged model, for merges without a base: inputs by layers."""
    kind = _Kind(
        name=f"{prefix}-distance",
        title="Distance to the merged model",
        description=(
            "L2 distance between an input's weights and the merged ones, relative to the norm of the merged ones. This merge has "
            "no base, so there are no task vectors whose cosines or sign conflicts could be shown."
        ),
        caption="Relative L2 distance to the merged model",
        in_cell=lambda value: f"{100 * value:.1f}" if value < 0.1 else f"{100 * value:.0f}",
        written=small_percent,
        signed=False,
        missing="Not measured",
    )
    return _input_map(step, kind, lambda row: row.distance)


def cosine_pairs(step: MergeStep, prefix: str) -> Chart:
    """Cosine between the task vectors of every two inputs: pairs by layers."""
    pairs = list(dict.fromkeys((row.model, row.other) for row in step.pairs))
    own = {pair: [row for row in step.pairs if (row.model, row.other) == pair] for pair in pairs}
    whole = {pair: _of(pool_pairs(rows, 0)) for pair, rows in own.items()}
    left_out = ""
    if len(pairs) > MAX_PAIRS:
        pairs = sorted(pairs, key=lambda pair: math.inf if (value := whole[pair]) is None else value)[:MAX_PAIRS]
        left_out = f" Of {len(own)} pairs the {MAX_PAIRS} with the lowest cosine are shown; merge_pairs.parquet has all."
    kind = _Kind(
        name=f"{prefix}-pairs",
        title="Cosine between inputs",
        description=(
            "Cosine between what two inputs changed (their task vectors, against the base). Inputs that point the same way "
            f"lose little by averaging; opposed ones undo each other.{left_out}"
        ),
        caption="Cosine between task vectors of two inputs",
        in_cell=_short,
        written=cosine,
        signed=True,
    )
    layers = sorted({row.layer for row in step.pairs})
    bands = _bands(layers, len(pairs))
    lines = []
    for pair in pairs:
        by_layer = {row.layer: row for row in own[pair]}
        banded = [_of(pool_pairs([by_layer[n] for n in band if n in by_layer], band[0])) for band in bands]
        label = Label(f"{pair[0]} · {pair[1]}")
        lines.append(_Line(label, [_of(by_layer.get(n)) for n in layers], whole[pair], banded))
    return _chart(kind, layers, bands, lines)


def _input_map(step: MergeStep, kind: _Kind, value: Callable[[LayerInput], float | None]) -> Chart:
    def of(row: LayerInput | None) -> float | None:
        return None if row is None else value(row)

    layers = sorted({row.layer for row in step.inputs})
    bands = _bands(layers, len(step.models))
    lines = []
    for model in step.models:
        by_layer = {row.layer: row for row in step.inputs if row.model == model}
        banded = [of(pool_inputs([by_layer[n] for n in band if n in by_layer], band[0])) for band in bands]
        values = [of(by_layer.get(n)) for n in layers]
        lines.append(_Line(Label(model), values, of(pool_inputs(by_layer.values(), 0)), banded))
    return _chart(kind, layers, bands, lines)


def _chart(kind: _Kind, layers: Sequence[int], bands: Sequence[Sequence[int]], lines: Sequence[_Line]) -> Chart:
    columns = Columns.of(layers)
    limit = limit_of([value for line in lines for value in line.values])
    height = _TALL if len(lines) <= _FEW_ROWS else _LOW
    written = len(layers) <= _WRITTEN_COLUMNS and len(layers) * len(lines) <= _WRITTEN_CELLS
    rows = []
    for line in lines:
        marks = cells(columns, line.values, limit, height)
        if written:
            marks += numbers(columns, line.values, limit, height, kind.in_cell)
        rows.append(ChartRow(line.label, svg.strip(marks, height=height), [Reading(kind.written(line.whole))]))
    holes = any(None in line.values for line in lines)
    size = "few" if len(layers) <= _FEW_COLUMNS else "some" if len(layers) <= _SOME_COLUMNS else "many"
    outside = " The last column, “rest”, holds what lies in no layer: embeddings, final norm, head." if OUTSIDE in layers else ""
    return Chart(
        name=kind.name,
        title=kind.title,
        description=f"{kind.description} The value beside a row is that of all layers together.{outside}",
        table=_table(kind, bands, lines),
        rows=rows,
        axis=axis(columns),
        axis_title="Layer",
        legend=[shades(limit, signed=kind.signed), *([hatched(kind.missing)] if holes else [])],
        style=f"heat {size}",
    )


def _table(kind: _Kind, bands: Sequence[Sequence[int]], lines: Sequence[_Line]) -> Table:
    """The numbers of a map; layers are taken together where the table would grow too long."""
    together = max((len(band) for band in bands), default=1)
    caption = kind.caption if together == 1 else f"{kind.caption}, {together} layers taken together"
    body = [(Label(_band_name(band)), [Cell(kind.written(line.banded[n])) for line in lines]) for n, band in enumerate(bands)]
    body.append((Label("All layers"), [Cell(kind.written(line.whole)) for line in lines]))
    return Table(caption, ("Layer", *(line.label.text for line in lines)), body)


def _bands(layers: Sequence[int], columns: int) -> list[list[int]]:
    """Cut the layers into runs of equal length, so that a table of `columns` keeps below _TABLE_CELLS cells."""
    inside = [number for number in layers if number != OUTSIDE]
    length = max(1, math.ceil(len(inside) * columns / _TABLE_CELLS))
    bands = [inside[start : start + length] for start in range(0, len(inside), length)]
    return [*bands, [OUTSIDE]] if OUTSIDE in layers else bands


def _band_name(band: Sequence[int]) -> str:
    if band[0] == OUTSIDE:
        return "rest"
    return str(band[0]) if len(band) == 1 else f"{band[0]} to {band[-1]}"


def _of(row: LayerPair | None) -> float | None:
    return None if row is None else row.cosine


def _short(value: float) -> str:
    """Two digits without the zero before the point: ".31"; a value that rounds to one is "1"."""
    text = f"{abs(value):.2f}"
    sign = "\u2212" if value < 0 and text != "0.00" else ""
    return sign + ("1" if text == "1.00" else "0" if text == "0.00" else text[1:])
