"""The page of one merge, or of one search for weights: `report.html` in its output folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.report.files import save_text
from polylect.report.json_files import read_json
from polylect.report.merge_data import MergeStep, merge_step
from polylect.report.merge_section import view
from polylect.report.merge_trials import recommended, shares
from polylect.report.numerals import count, interval, metric
from polylect.report.page import environment, moment, style
from polylect.report.sections import flatten
from polylect.report.views import Cell, Label, Table, clip

__all__ = ["merge_report", "render_merge"]

_MANIFEST, _SEARCH = "manifest.json", "report.json"
_ROWS, _CHARACTERS = 80, 300
_LONG = ("tensors", "files", "notes")
"""Parts of a manifest with one entry per tensor or file, and those that the page shows elsewhere."""


def merge_report(folder: Path) -> Path:
    """Write `report.html` of the output folder of `polylect merge` or `polylect merge search`; return its path.

    Raises:
        DataError: the folder has no manifest or none of the tables, or one of them cannot be read.
    """
    manifest = _object(folder / _MANIFEST)
    found = _object(folder / _SEARCH) if (folder / _SEARCH).is_file() else {}
    step = merge_step(folder, folder.resolve().name, _title(manifest, found), _weights(manifest))
    if step is None:
        raise DataError(
            f"{folder}: no merge_inputs.parquet, trials.parquet or regret.parquet with rows, so there is nothing to show. Merge "
            "again with statistics, or give the output folder of `polylect merge` or `polylect merge search`."
        )
    settings = manifest.get("settings")
    if isinstance(settings, Mapping) and settings.get("base", "unknown") is None:
        step = replace(step, based=False)
    return save_text(folder / "report.html", render_merge(step, manifest, found))


def render_merge(step: MergeStep, manifest: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the page of a merge with what its manifest and, of a search, its report.json (`found`) say."""
    page: str = (
        environment()
        .get_template("merge.html.j2")
        .render(
            style=style(),
            step=step,
            merge_view=view(step, "merge", values=_values(found)),
            candidates=_candidates(step, found),
            sentences=_sentences(step, manifest, found),
            settings=_settings(manifest),
            created=moment(str(manifest.get("created") or manifest.get("started") or "")),
            sampled=_sampled(step),
        )
    )
    return page.lstrip()


def _object(path: Path) -> dict[str, Any]:
    give = "the output folder of `polylect merge` or `polylect merge search`"
    found = read_json(path, give, "Merge again: it is written with the output.")
    if not isinstance(found, dict):
        raise DataError(f"{path}: {type(found).__name__} found where a JSON object is expected. Merge again.")
    return found


def _title(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    settings = manifest.get("settings")
    method = manifest.get("method") or (settings.get("method") if isinstance(settings, Mapping) else "")
    kind = "Search for the weights of a merge" if found else "Merge"
    return f"{kind}: {method}" if method else kind


def _weights(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Weights by input, where the manifest names both."""
    weights = manifest.get("weights")
    if not isinstance(weights, Mapping):
        return {}
    return {str(name): float(value) for name, value in weights.items() if isinstance(value, (int, float))}


def _sentences(step: MergeStep, manifest: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What the page says first: the weights that a search recommends and its verdicts, then the notes of the merge."""
    said = []
    chosen = recommended(step.trials)
    if chosen is not None:
        parts = ", ".join(f"{name} {value:.3g}" for name, value in shares(chosen).items())
        said.append(f"Recommended weights after {len({row.number for row in step.trials})} evaluations: {parts}.")
    verdicts = [f"The recommended merge: {text}." for text in _texts(found.get("verdicts"))]
    return [*said, *verdicts, *_texts(manifest.get("notes"))]


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _candidates(step: MergeStep, found: Mapping[str, Any]) -> Table | None:
    """The merges and inputs that a search held against each other on held-out items: objective on both parts."""
    rows = [row for row in found.get("candidates") or () if isinstance(row, Mapping)]
    if not rows or not step.trials:
        return None
    name = step.trials[0].metric
    body = []
    for row in rows:
        weights = ", ".join(f"{weight:.3g}" for weight in row.get("weights") or ())
        ends = interval(row.get("low"), row.get("high"), name=name)
        cells = [Cell(weights), *(Cell(metric(name, row.get(part))) for part in ("search", "expected", "heldout")), Cell(ends)]
        body.append((Label(str(row.get("name", "")).removeprefix("single/")), cells))
    columns = ("Merge or input", "Weights", "Searched items", "Expected", "Held-out items", "95% interval")
    return Table(f"Objective “{step.trials[0].objective}” on searched and on held-out items", columns, body)


def _values(found: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """Held-out values of the candidates of a search: (name, metric, language) -> value."""
    return {
        (str(row.get("name")), str(found.get("metric")), tag): value
        for row in found.get("candidates") or ()
        for tag, value in (row.get("heldout_scores") or {}).items()
    }


def _sampled(step: MergeStep) -> str:
    """Say which share of the entries the statistics come from, where it is not all of them."""
    first = [row for row in step.inputs if row.model in step.models[:1]]
    entries, sampled = sum(row.parameters for row in first), sum(row.sampled for row in first)
    if sampled == entries:
        return ""
    return f"The statistics come from {count(sampled)} of {count(entries)} entries; tensors weigh by their size."


def _settings(manifest: Mapping[str, Any]) -> Table:
    plain = {name: value for name, value in manifest.items() if name not in _LONG}
    rows = [(Label(name), [Cell(clip(value, _CHARACTERS)[0], numeric=False)]) for name, value in flatten("", plain)]
    return Table("What manifest.json says", ("Key", "Value"), rows[:_ROWS])
