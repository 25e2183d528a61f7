"""The tables of the section on performance: disparity per model, every language, quadrants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from polylect.report.gap_dots import letter
from polylect.report.gap_labels import label_of, language, list_of, measured, times
from polylect.report.gap_tables import folded_table
from polylect.report.gap_units import Unit
from polylect.report.gap_views import Block
from polylect.report.numerals import MISSING, percent
from polylect.report.svg import element
from polylect.report.views import Cell, Label, Table

__all__ = ["disparity_table", "languages_table", "quadrants"]

_Row = Mapping[str, Any]


def disparity_table(groups: Sequence[_Row], summary: _Row) -> Table:
    """One row per model on one benchmark: level, gap, worst languages, spread, and what goes with it."""
    reference = language(summary["reference"]).text
    columns = (
        "Model", reference, "Mean over languages", f"Behind {reference}", "Worst language",
        f"Mean of the worst {summary['worst_k']}",
        "Gini", "Equivalent / not / open", "Correlation with resource class", "Correlation with premium",
    )  # fmt: skip
    title = f"{measured(groups[0])}: how uneven each model is"
    return Table(title, columns, [(Label(group["model"]), _disparity(group)) for group in groups])


def _disparity(group: _Row) -> list[Cell]:
    unit, worst = Unit.of(group["bounds"]), group["worst"]
    named = f"{language(worst['language']).text} {unit.value(worst['value'])}" if worst else MISSING
    equivalence = " / ".join(str(len(group["equivalence"][state])) for state in ("yes", "no", "open"))
    return [
        Cell(_with_ends(unit, group["english"])),
        Cell(_with_ends(unit, group["macro"])),
        Cell(_gap(unit, group["gap_english"])),
        Cell(named, numeric=False),
        Cell(_with_ends(unit, group["worst_k"])),
        Cell(_plain(group["gini"])),
        Cell(equivalence),
        *(Cell(_plain(group["correlations"].get(name))) for name in ("resource_class", "premium")),
    ]


def languages_table(
    by_tag: Mapping[str, Mapping[str, _Row]], models: Sequence[str], unit: Unit, title: str, *, whole: bool
) -> Markup:
    """Every language with the scores of all models, or, not `whole`, where they are to be found."""
    if not whole:
        return element("p", "Numbers of this picture: rows.csv; the table would make this page too large.", class_="meta")
    if len(models) == 1:
        columns: Sequence[str] = (
            "Language", "Tag", "Score", "95% interval", "Scored", "Unscored", "Behind English", "95% interval", "Behind the best",
            "Share of English", "95% interval", "Equivalent", "Premium",
        )  # fmt: skip
        rows = [_one(next(iter(own.values())), unit) for own in by_tag.values()]
    else:
        columns = ("Language", "Tag", *(f"{letter(n)} {model}" for n, model in enumerate(models)))
        rows = [_several(tag, own, models, unit) for tag, own in by_tag.items()]
    labels = [label_of(next(iter(own.values()))) for own in by_tag.values()]
    return folded_table(
        "Numbers of this picture as a table", f"{title}: every language", columns, zip(labels, rows, strict=True), text=1
    )


def quadrants(groups: Sequence[_Row], summary: _Row) -> Block | None:
    """Return the languages of each quadrant, one row per model on one benchmark, or None where there are no quadrants."""
    axes = summary["quadrants_axes"]
    if axes["mode"] == "none" or not any(any(group["quadrants"].values()) for group in groups):
        return None
    names = list(axes["names"].values())
    rows = [(Label(group["model"]), [_quadrant(group["quadrants"].get(name, [])) for name in names]) for group in groups]
    limits = [f"{axes[axis]}{_limit(axes[f'{axis}_limit'])}" for axis in ("x", "y")]
    title = f"{measured(groups[0])}: four quadrants by {limits[0]}, and by {limits[1]} ({axes['source']})"
    return Block("table", Table(title, ("Model", *names), rows))


def _quadrant(tags: Sequence[str]) -> Cell:
    return Cell(list_of([language(tag).text for tag in tags], 40) or MISSING, numeric=False)


def _limit(value: float | None) -> str:
    return "" if value is None else f" (from {value:.3g})"


def _one(row: _Row, unit: Unit) -> list[str]:
    return [
        row["language"], unit.value(row["score"]), unit.ends(row["low"], row["high"]), str(row["n"]), str(row["unscored"]),
        unit.difference(row["gap_english"]), unit.difference_ends(row["gap_english_low"], row["gap_english_high"]),
        unit.difference(row["gap_best"]), percent(row["absolute"]), _shares(row), row["equivalent"] or MISSING,
        times(row["premium"]),
    ]  # fmt: skip


def _several(tag: str, own: Mapping[str, _Row], models: Sequence[str], unit: Unit) -> list[str]:
    cells = [tag]
    for model in models:
        row = own.get(model)
        cells.append(_with_ends(unit, {**row, "value": row["score"]}) if row is not None else MISSING)
    return cells


def _shares(row: _Row) -> str:
    low, high = row["absolute_low"], row["absolute_high"]
    return "" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"


def _with_ends(unit: Unit, one: _Row | None) -> str:
    if one is None or one["value"] is None:
        return MISSING
    ends = unit.ends(one["low"], one["high"])
    return f"{unit.value(one['value'])} ({ends})" if ends else unit.value(one["value"])


def _gap(unit: Unit, gap: _Row) -> str:
    ends = unit.difference_ends(gap["low"], gap["high"])
    return f"{unit.difference(gap['value'])} ({ends})" if ends else unit.difference(gap["value"])


def _plain(one: _Row | None) -> str:
    if one is None or one["value"] is None:
        return MISSING
    ends = "" if one["low"] is None or one["high"] is None else f" ({one['low']:.2f} to {one['high']:.2f})"
    return f"{one['value']:.2f}{ends}".replace("-", "\u2212")
