"""A merge as charts and tables, ready for a page: what each input gave, how they conflict, what each language gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polylect.records import MULTIPLE, Difference, Summary
from polylect.report import merge_gain, merge_heat, merge_trials
from polylect.report.merge_data import MergeStep, pool_inputs
from polylect.report.merge_gain import Names, Values
from polylect.report.numerals import MISSING, cosine, percent, small_percent
from polylect.report.views import Cell, Chart, Label, Table

__all__ = ["MergeView", "view", "views"]

_RECOMMENDED, _UNIFORM, _SINGLE = "recommended", "uniform", "single/"
"""How a search calls its stages: what it recommends, uniform weights, and "single/" before the name of each input."""

_METRICS = ("exact_match", "chrf")


@dataclass(frozen=True)
class MergeView:
    """What a page shows of one merge; `open` unfolds it."""

    name: str
    title: str
    inputs: Table | None
    charts: list[Chart]
    open: bool = True


def views(steps: Sequence[MergeStep], differences: Sequence[Difference], summaries: Sequence[Summary]) -> list[MergeView]:
    """Return the merges of a run, the last one unfolded.

    Where `differences` (of the run) compare a merged stage with its inputs, which they call by name or by stage/name, the gain
    per language is shown; `summaries` are the values behind it.
    """
    values = {(row.stage, row.metric, row.language): row.value for row in summaries if row.scope in {"language", "macro"}}
    found = [view(step, f"merge-{number}", differences, values) for number, step in enumerate(steps, start=1)]
    return [replace(one, open=one is found[-1]) for one in found]


def view(step: MergeStep, prefix: str, differences: Sequence[Difference] = (), values: Values | None = None) -> MergeView:
    """Return what a page shows of a merge; ids of the page start with `prefix`."""
    charts = [
        merge_trials.weights(step.trials, prefix=prefix),
        merge_trials.trials(step.trials, prefix=prefix),
        _gain_of_search(step, prefix, values),
        _gain_over_uniform(step, prefix, values),
        _gain_of_stage(step, prefix, differences, values),
    ]
    maps = merge_heat.maps(step, prefix) if step.inputs else []
    return MergeView(step.name, step.title, _inputs(step), [*(chart for chart in charts if chart is not None), *maps])


def _gain_of_search(step: MergeStep, prefix: str, values: Values | None) -> Chart | None:
    """Recommended weights against each language's best input, which the search chose on other items."""
    names = Names(
        name=f"{prefix}-gain",
        title="Gain and loss per language against the best input",
        description=(
            "The recommended merge minus the one input that is best in the language. The input was chosen on the items of the "
            "search, the difference is measured on held-out items."
        ),
        against="Best input",
        titles={row.a: "the best inputs" if row.language == MULTIPLE else row.a.removeprefix(_SINGLE) for row in step.regret},
    )
    return merge_gain.gains([merge_gain.turned(row) for row in step.regret], names, values)


def _gain_over_uniform(step: MergeStep, prefix: str, values: Values | None) -> Chart | None:
    """Recommended against uniform weights, per language, on held-out items; rows of the objective as a whole are left out."""
    own = {row.metric for row in step.regret}
    rows = [row for row in step.differences if (row.a, row.b) == (_RECOMMENDED, _UNIFORM) and row.metric in own]
    names = Names(
        name=f"{prefix}-uniform",
        title="Gain and loss per language against uniform weights",
        description="The recommended merge minus the merge that weighs all inputs alike, on held-out items.",
        against="Against",
        titles={_UNIFORM: "uniform weights"},
        each=False,
    )
    return merge_gain.gains(rows, names, values)


def _gain_of_stage(step: MergeStep, prefix: str, differences: Sequence[Difference], values: Values | None) -> Chart | None:
    """A merged stage of a run against its inputs, where the run has evaluated them."""
    names_of = {name: model for model in step.models for name in (model, f"{step.name}/{model}") if name != step.name}
    own = [row for row in differences if row.a == step.name and row.b in names_of]
    present = [row.metric for row in own]
    metric = next((name for name in (*_METRICS, *present) if name in present), "")
    rows, chosen = merge_gain.best_inputs(own, step.name, metric)
    names = Names(
        name=f"{prefix}-stage",
        title="Gain and loss per language against the best input",
        description=f"{step.title} minus the one input that is best in the language."
        + (" The best input is chosen on these very items, which favours the inputs." if chosen else ""),
        against="Best input",
        titles=names_of,
    )
    return merge_gain.gains(rows, names, values)


def _inputs(step: MergeStep) -> Table | None:
    """What each input weighs, how far it is from base and merged model, and how much of it was undone."""
    if not step.inputs:
        return None
    columns = ("Input", "Weight", "Norm of its change", "Distance to the merge", "Cosine with the merge", "Sign conflict")
    chosen = merge_trials.recommended(step.trials)
    weights = step.weights or ({} if chosen is None else merge_trials.shares(chosen))
    body = []
    for model in step.models:
        row = pool_inputs((one for one in step.inputs if one.model == model), 0)
        weight = weights.get(model)
        assert row is not None
        cells = [
            Cell(MISSING if weight is None else f"{weight:.3g}"),
            Cell(MISSING if row.square_task is None or not step.based else f"{row.square_task**0.5:.4g}"),
            Cell(small_percent(row.distance)),
            Cell(cosine(row.cosine if step.based else None)),
            Cell(percent(row.sign_conflict if step.based else None)),
        ]
        body.append((Label(model), cells))
    return Table("The inputs, over all tensors", columns, body)
