"""What `polylect gap performance` was given: result folders, runs, tables; which metric of a benchmark counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError, nearest
from polylect.gap.performance.frames import Left, read_table, tidy

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Results", "read_results"]


@dataclass
class Results:
    """Tidy rows of all sources.

    `items` has a row per item, `summaries` a row per language (scope "language") or given gap (scope "gap").
    """

    items: pl.DataFrame
    summaries: pl.DataFrame
    sources: list[dict[str, Any]]
    left: Left
    metrics_left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    name: str
    kind: str
    frame: pl.DataFrame


def read_results(paths: Sequence[Path], metrics: Iterable[str] = ()) -> Results:
    """Read all sources into one.

    Args:
        paths: result folders, runs, tables.
        metrics: names of the metrics wanted. None given: the main metric where a result folder names it, else all.

    Raises:
        DataError: a source cannot be read, two hold the same item, or a wanted metric is nowhere.
    """
    import polars as pl

    if not paths:
        raise DataError("nothing to read: name a result folder of `polylect eval`, a run, or a table of results.")
    left = Left()
    main: dict[str, str] = {}
    parts = [part for path in paths for part in _parts(path, left, main)]
    frame = pl.concat([part.frame for part in parts])
    _check_repeated(parts)
    frame, out = _chosen(frame, list(metrics), main)
    if frame.is_empty():
        raise DataError(f"{', '.join(map(str, paths))}: no row of a known language. " + _why(left))
    items = frame.filter(pl.col("item").is_not_null())
    named = items.select("model", "benchmark", "metric").unique()
    # Items say more than their summary; summaries count where there are no items, as for corpus metrics.
    summaries = frame.filter(pl.col("item").is_null()).join(named, on=["model", "benchmark", "metric"], how="anti")
    sources = [{"source": part.name, "kind": part.kind, "rows": part.frame.height} for part in parts]
    return Results(items, summaries, sources, left, out)


def _parts(path: Path, left: Left, main: dict[str, str]) -> list[_Part]:
    if not path.is_dir():
        frame = _whole(tidy(read_table(path), str(path), left), left)
        return [_Part(str(path), "summary" if frame["item"].null_count() == frame.height else "table", frame)]
    evaluated = sorted((path / "steps" / "evaluate").glob("*/results.parquet"))
    if evaluated:
        return [_Part(str(one), "run", tidy(read_table(one), str(one), left)) for one in evaluated]
    found = [path / name for name in ("results.parquet", "summary.json", "steps/compare/summaries.parquet")]
    present = [one for one in found if one.is_file()]
    if not present:
        raise DataError(
            f"{path}: neither a result folder (results.parquet, summary.json) nor a run (steps/evaluate). Name what "
            "`polylect eval` or `polylect run` wrote, or a table."
        )
    if found[1] in present:
        main.update(_main_metrics(found[1]))
    kinds = {"results.parquet": "results", "summary.json": "summary", "summaries.parquet": "run"}
    return [_Part(str(one), kinds[one.name], _whole(tidy(read_table(one), str(one), left), left)) for one in present]


def _whole(frame: pl.DataFrame, left: Left) -> pl.DataFrame:
    """Return a frame without the summaries of a benchmark's parts where the whole benchmark has one; others are benchmarks."""
    import polars as pl

    subset = pl.col("part").str.split("\t").list.first().fill_null("")
    part = pl.col("item").is_null() & (subset != "")
    has_whole = (~part).any().over("model", "benchmark", "metric", "language", pl.col("item").is_null())
    kept = frame.filter(~part | ~has_whole)
    if frame.height > kept.height:
        left.rows["a summary of a part of a benchmark"] += frame.height - kept.height
    return kept.with_columns(
        pl.when(part).then(pl.concat_str("benchmark", pl.lit(" / "), subset)).otherwise("benchmark").alias("benchmark")
    )


def _main_metrics(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Run `polylect eval` again.") from error
    found = content.get("main_metrics") if isinstance(content, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _check_repeated(parts: Sequence[_Part]) -> None:
    """Refuse two sources that measured the same thing: their items would count twice."""
    import polars as pl

    seen: dict[tuple[str, ...], str] = {}
    for part in parts:
        keyed = part.frame.with_columns(pl.col("item").is_null().cast(pl.String).alias("kind"))
        for key in keyed.select("model", "benchmark", "metric", "language", "kind").unique().rows():
            if seen.get(key, part.name) != part.name:
                raise DataError(
                    f"{part.name}: {key[0]} on {key[1]} in {key[3]} is in {seen[key]} too. Items count once: leave one out, or "
                    "give the models different names."
                )
            seen[key] = part.name


def _chosen(frame: pl.DataFrame, wanted: list[str], main: dict[str, str]) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    present = sorted(frame["metric"].unique().to_list())
    for name in wanted:
        if name not in present:
            raise DataError(f"--metric {name!r}: no such metric here; there are {', '.join(present)}.{nearest(name, present)}")
    if wanted:
        kept = frame.filter(pl.col("metric").is_in(wanted))
    else:
        chief = pl.col("metric") == pl.col("benchmark").replace_strict(main, default=None, return_dtype=pl.String)
        has = chief.fill_null(value=False).any().over("model", "benchmark")
        kept = frame.filter(~has | chief.fill_null(value=False))
    names = frame.select("benchmark", "metric").unique().rows()
    used = set(kept.select("benchmark", "metric").unique().rows())
    return kept, sorted(f"{benchmark}: {metric}" for benchmark, metric in names if (benchmark, metric) not in used)


def _why(left: Left) -> str:
    reasons = ", ".join(f"{number} rows: {reason}" for reason, number in left.rows.items())
    names = ", ".join(repr(text) for text, _ in left.unresolved)
    return (f"Left out: {reasons}." if reasons else "") + (f" Not a language: {names}." if names else "")
