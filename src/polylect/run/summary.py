"""What a finished run says on the terminal: one table, two sentences; the rest is in the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from polylect import tables
from polylect.records import JUDGE_UNFIT, MULTIPLE, Comparison, Difference, Summary
from polylect.report.run_safety_section import sentences
from polylect.run.plan import Plan
from polylect.run.reporting import final_stage
from polylect.run.reporting_safety import read_safety

__all__ = ["lines"]


def lines(plan: Plan, folder: Path) -> Iterator[object]:
    """Yield what to print: a table of stages, then the final model against the base and the baseline."""
    from rich.table import Table

    compare = folder / "steps" / "compare"
    macro = {(row.stage, row.metric): row for row in tables.read(compare / "summaries.parquet", Summary) if row.scope == "macro"}
    rates = {(row.a, row.b, row.language): row for row in tables.read(compare / "comparisons.parquet", Comparison)}
    base, final = plan.stages[0].name, final_stage(plan, folder)
    table = Table(title=f"{plan.recipe.name}: mean over {len(plan.recipe.languages)} languages [95 % interval]")
    for heading in ("stage", "exact match", "chrF", "unseen kinds", f"win rate against {base}"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in plan.stages:
        cells = [
            _figure(macro.get((stage.name, metric)), scale)
            for metric, scale in (("exact_match", 100), ("chrf", 1), ("exact_match_unseen", 100))
        ]
        table.add_row(stage.title + (" *" if stage.name == final else ""), *cells, _rate(rates.get((stage.name, base, MULTIPLE))))
    yield table
    per_language = [rates[final, base, tag] for tag in plan.recipe.languages if (final, base, tag) in rates]
    unfit = [row.language for row in per_language if _rate(row) == JUDGE_UNFIT]
    better = [row.language for row in per_language if row.low is not None and row.low > 0.5]
    share = f"{len(better)} of {len(per_language)} languages"
    yield f"* the final model; it beats the base (lower end of the interval above 50 %) in {share}."
    if unfit:
        yield f"The judge is unfit in {len(unfit)} of them: {', '.join(unfit)}."
    for row in tables.read(compare / "differences.parquet", Difference):
        if (row.a, row.b, row.metric, row.language) == (final, "baseline", "exact_match", MULTIPLE) and row.value is not None:
            gain = f"{100 * row.value:+.1f} points of exact match{_interval(row, 100, signed=True)}"
            yield f"Against SFT on the best single teacher: {gain}."
    safety = read_safety(plan, folder, final)
    yield from (f"Safety: {sentence}" for sentence in (sentences(safety) if safety else ()))


def _figure(row: Summary | None, scale: float) -> str:
    return "-" if row is None or row.value is None else f"{scale * row.value:.1f}{_interval(row, scale)}"


def _rate(row: Comparison | None) -> str:
    if row is None or row.win_rate is None:
        return JUDGE_UNFIT if row is not None and (row.reason or "").startswith(JUDGE_UNFIT) else "-"
    return f"{100 * row.win_rate:.1f} %{_interval(row, 100)}"


def _interval(row: Summary | Comparison | Difference, scale: float, *, signed: bool = False) -> str:
    if row.low is None or row.high is None:
        return ""
    sign = "+" if signed else ""
    return f" \\[{scale * row.low:{sign}.1f}, {scale * row.high:{sign}.1f}]"
