"""The page of "mix or merge": which candidate is recommended and why, harm against quality over all languages and in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report.headline import Figure
from polylect.report.numerals import MISSING, interval, percent, points
from polylect.report.safety_document import SCHEMA, kind_of, read
from polylect.report.safety_marks import label, listed
from polylect.report.safety_pareto_charts import FAMILIES, GENERAL, against_general, ends, of_language, panels, pareto, unknown
from polylect.report.safety_shell import SafetyPage, Section, fitted, save
from polylect.report.views import Cell, Label, Table

__all__ = ["pareto_report", "render_pareto", "write_pareto"]

_KIND = "mix-or-merge"


def pareto_report(folder: Path, *, out: Path | None = None) -> Path | None:
    """Write `report.html` of an output folder of `polylect safety mix-or-merge` again; None: the folder holds another document.

    Args:
        folder: the folder, or its safety.json.
        out: folder of the page; None: beside the document.

    Raises:
        DataError: the document lacks a field.
    """
    if kind_of(folder) != _KIND:
        return None
    return write_pareto(read(folder, _KIND), out or (folder if folder.is_dir() else folder.parent))


def write_pareto(document: Mapping[str, Any], out: Path) -> Path:
    """Write `report.html` of a document of `polylect safety mix-or-merge` into `out`; return its path.

    Raises:
        DataError: the document is of another kind or schema, or lacks a field.
    """
    return save(render_pareto(document), out / "report.html")


def render_pareto(document: Mapping[str, Any]) -> str:
    """Return the page: the recommendation and its rule, the charts over all languages and in each, candidates, notes.

    Raises:
        DataError: the document is of another kind or schema, or lacks a field.
    """
    if document.get("schema") != SCHEMA or document.get("kind") != _KIND:
        found = f"schema {document.get('schema')!r}, kind {document.get('kind')!r}"
        raise DataError(f"{found}: expected a document of `polylect safety {_KIND}`, {SCHEMA!r}.")
    try:
        tags = document["summary"]["languages"]

        def make(shown: int, _: int) -> SafetyPage:
            return _page(document, tags[:shown])

        return fitted(make, len(tags))
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"The document of `polylect safety {_KIND}` lacks a field or holds an odd value ({type(error).__name__}: {error}). "
            "Run the command again."
        ) from error


def _page(document: Mapping[str, Any], tags: Sequence[str]) -> SafetyPage:
    """Return the page with the charts of some languages."""
    summary = document["summary"]
    notes = list(document["notes"])
    if left := len(summary["languages"]) - len(tags):
        notes.append(f"The page would be too large with {left} more languages: their numbers are in candidates.parquet.")
    overall = pareto(document) or next((chart for tag in tags if (chart := pareto(document, tag))), None)
    each = panels(document, tags)
    missing = () if overall else ("No candidate has both a violation rate and a quality: there is nothing to draw.",)
    if bare := unknown(document, tags) if overall and not each else []:
        missing = (f"Not known in {listed([label(tag).text for tag in bare])}.",)
    return SafetyPage(
        title="Mix data or merge models?",
        lead=f"{summary['recipe']}: {summary['recommended']} is recommended",
        figures=list(_figures(document)),
        sentences=[f"Rule: {summary['rule']}.", *(_written(one) for one in summary["verdicts"])],
        sections=[
            Section("trade-off", "Harm against quality", missing, [chart for chart in (overall, each) if chart]),
            Section("against", f"Against {summary.get('reference', GENERAL)}", charts=against_general(document)),
            Section("candidates", "Candidates", tables=[_candidates(summary)]),
            Section("notes", "Notes", sentences=notes),
        ],
        source=("safety.json", "candidates.parquet"),
    )


_WORDS = ("best of", "by violations", "merge or mix", "next best", "no candidate")
"""How verdicts begin that do not begin with the name of a candidate, which keeps its small letter."""


def _written(verdict: str) -> str:
    """Return a verdict as a sentence, with signs of minus."""
    text = str(verdict).replace(" -", " \u2212").replace("[-", "[\u2212")
    return f"{text[:1].upper() if text.startswith(_WORDS) else text[:1]}{text[1:]}."


def _figures(document: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield what the recommended candidate comes to, against the general expert."""
    rows = of_language(document, MULTIPLE) or [
        row for tag in document["summary"]["languages"] for row in of_language(document, tag)
    ]
    chosen = next((row for row in rows if row["recommended"]), None)
    if chosen is None:
        return
    reference = document["summary"].get("reference", GENERAL)
    for name, title in (("violation", "violation rate"), ("quality", "quality"), ("over_refusal", "over-refusal")):
        value, step = ends(chosen[name]).value, ends(chosen["over_general"][name])
        metric = "score" if name == "quality" else "exact_match"
        shown = percent(value) if name != "quality" else points(value, name="score").removeprefix("+")
        if value is not None:
            told = f" ({span})" if (span := interval(step.low, step.high, name=metric)) else ""
            against = f"{points(step.value, name=metric)} points against {reference}{told}" if step.value is not None else ""
            yield Figure(f"{title} of {chosen['candidate']}", shown, against)


def _candidates(summary: Mapping[str, Any]) -> Table:
    """How each candidate was made, whether it keeps the rule, and how sure it is that another one is better."""
    best = {summary.get("next_best"): "next best", summary.get("best_mix"): "best mix", summary.get("best_merge"): "best merge"}
    told = {**dict.fromkeys(summary.get("told_apart") or (), "yes"), **dict.fromkeys(summary.get("not_told_apart") or (), "no")}
    chosen = summary.get("chosen_in") or {}
    body = []
    for one in summary["candidates"]:
        share = MISSING if one["share_reached"] is None else f"{one['share_reached']:.1%}"
        weight = MISSING if one["weight"] is None else f"{one['weight']:g}"
        keeps = "yes" if one["name"] in summary["eligible"] else "no"
        badge = "recommended" if one["name"] == summary["recommended"] else best.get(one["name"], "")
        words = (FAMILIES[one["family"]][2], one.get("data") or MISSING, one["method"] or MISSING)
        cells = [*(Cell(word, numeric=False) for word in words), Cell(weight), Cell(share), Cell(keeps, numeric=False)]
        cells += [Cell(told.get(one["name"], MISSING), numeric=False), Cell(percent(chosen.get(one["name"])))]
        body.append((Label(one["name"], badge=badge), cells))
    columns = (
        "Candidate", "Made by", "Data", "Method", "Weight of the safety expert", "Safety share of the data", "Keeps the rule",
        "Told from the recommended", "Best in resamples",
    )  # fmt: skip
    return Table("How the candidates were made, and how sure the choice is", columns, body)
