"""Result tables of any origin, brought to one form: a row per model, benchmark, metric, language and item (or summary).

Columns are found by their usual names. A table without items holds summaries: a score per language, with an interval where the
table gives one. What cannot be used is counted with its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import DataError, LanguageError, nearest
from polylect.gap.language_names import resolve
from polylect.gap.tags import canonical_tag
from polylect.records import MULTIPLE

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COLUMNS", "Left", "read_table", "tidy"]

COLUMNS = ("model", "benchmark", "metric", "language", "item", "part", "score", "low", "high", "n", "unscored", "scope", "reason")
"""Columns of a tidy frame; `item` is empty in summaries, `part` tells apart the rows of one item."""

_NAMES: dict[str, tuple[str, ...]] = {
    "model": ("model", "stage", "system", "model_name"),
    "benchmark": ("benchmark", "task", "dataset", "eval"),
    "metric": ("metric", "metric_name", "measure"),
    "language": ("language", "lang"),
    "item": ("item", "item_id", "doc_id", "question_id"),
    "score": ("score", "value", "accuracy"),
    "low": ("low", "ci_low", "lower"),
    "high": ("high", "ci_high", "upper"),
    "n": ("n", "samples"),
    "unscored": ("unscored",),
    "scope": ("scope",),
    "reason": ("reason",),
}
_PARTS = ("subset", "kind", "prompt_id", "sample", "repeat")
_REQUIRED = ("model", "benchmark", "language", "score")
_HELD_OUT = "held-out items"
"""Benchmark of a run's own results, which name none."""
_LARGEST = 2 << 30


@dataclass
class Left:
    """What was not used: rows by reason, words that name no language with their rows, and what was assumed."""

    rows: Counter[str] = field(default_factory=Counter)
    unresolved: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet, JSON lines, CSV or TSV table, or the `rows` of a JSON document.

    Raises:
        DataError: it is missing, unreadable, too large, of another kind, or empty.
    """
    import polars as pl

    if not path.is_file():
        raise DataError(f"{path}: no such table. Name a result folder, a run, or a .parquet, .jsonl, .csv or .json table.")
    readers: dict[str, Callable[[], pl.DataFrame]] = {
        ".parquet": lambda: pl.read_parquet(path, columns=_wanted(pl.read_parquet_schema(path))),
        ".jsonl": lambda: pl.read_ndjson(path, infer_schema_length=None),
        ".csv": lambda: pl.read_csv(path, infer_schema=False),
        ".tsv": lambda: pl.read_csv(path, infer_schema=False, separator="\t"),
        ".json": lambda: _json_rows(path),
    }
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: {path.suffix or 'no'} ending; results are one of {', '.join(readers)}, or a folder.")
    if path.stat().st_size > _LARGEST:
        raise DataError(
            f"{path}: {path.stat().st_size / 1e9:.1f} GB; at most {_LARGEST / 1e9:.1f} GB are read. Split it by model."
        )
    try:
        frame = readers[path.suffix.lower()]()
    except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(f"{path}: cannot be read as a {path.suffix[1:]} table ({reason}). Write it again.") from error
    if frame.is_empty():
        raise DataError(f"{path}: the table has no rows; there is nothing to compare. Leave it out, or give the full one.")
    return frame


def tidy(frame: pl.DataFrame, where: str, left: Left) -> pl.DataFrame:
    """Return the rows of a table that can be used, with exactly `COLUMNS`; the others are counted in `left`.

    Raises:
        DataError: a column is missing, or one item has two scores.
    """
    import polars as pl

    chosen = {name: next((one for one in known if one in frame.columns), None) for name, known in _NAMES.items()}
    _check_columns(frame, chosen, where)
    parts = [pl.col(one).cast(pl.String).fill_null("") for one in _PARTS if one in frame.columns]
    number = {"score", "low", "high", "n", "unscored"}
    exprs = [
        (pl.col(source) if source else pl.lit(None)).cast(pl.Float64 if name in number else pl.String, strict=False).alias(name)
        for name, source in chosen.items()
    ]
    wide = frame.select(*exprs, (pl.concat_str(parts, separator="\t") if parts else pl.lit("")).alias("part"))
    if chosen["benchmark"] is None:
        wide = wide.with_columns(pl.lit(_HELD_OUT).alias("benchmark"))
    wide = wide.with_columns(pl.col("metric").fill_null(""), _reason(frame, chosen["score"]))
    wide = wide.with_columns(pl.when(pl.col("score").is_finite()).then(pl.col("score")).alias("score"))
    return _checked(_with_tags(_dropped(wide, left, has_items=chosen["item"] is not None), where, left), where).select(COLUMNS)


def _wanted(schema: Iterable[str]) -> list[str]:
    """Return the columns worth reading: texts of prompts and outputs may be gigabytes."""
    known = {one for names in _NAMES.values() for one in names} | {*_PARTS, "status"}
    return [name for name in schema if name in known] or list(schema)[:1]


def _json_rows(path: Path) -> pl.DataFrame:
    import polars as pl

    content = json.loads(path.read_text(encoding="utf-8"))
    rows = content.get("rows") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: neither a list of rows nor an object with `rows`. Give summary.json, or a table.")
    plain = [{key: value for key, value in row.items() if not isinstance(value, (dict, list))} for row in rows]
    return pl.DataFrame(plain, infer_schema_length=None, strict=False)


def _check_columns(frame: pl.DataFrame, chosen: dict[str, str | None], where: str) -> None:
    for name in _REQUIRED:
        if chosen[name] is None and not (name == "benchmark" and chosen["model"] == "stage"):
            raise DataError(
                f"{where}: column {name!r} is missing; found {', '.join(frame.columns) or 'none'}.{nearest(name, frame.columns)} "
                "Results have the columns model, benchmark, language, score, and item where rows are per item."
            )


def _reason(frame: pl.DataFrame, score: str | None) -> pl.Expr:
    """Return why a row has no score: its own reason, its status, or what stands in its place."""
    import polars as pl

    given = frame[str(score)].cast(pl.String)
    status = frame["status"].cast(pl.String) if "status" in frame.columns else pl.Series([None] * len(frame), dtype=pl.String)
    empty = given.is_null() | (given.str.strip_chars() == "")
    own = pl.when(status.is_null() | (status == "ok")).then(pl.lit(None)).otherwise(status)
    other = pl.when(empty).then(pl.lit("no score")).otherwise(pl.lit("the score is not a number"))
    return pl.coalesce(pl.col("reason"), own, other).alias("reason")


def _dropped(frame: pl.DataFrame, left: Left, *, has_items: bool) -> pl.DataFrame:
    """Leave out what is no row of a language: summaries over languages, rows without a name."""
    import polars as pl

    scope, blank = pl.col("scope"), pl.col("language").is_null() | (pl.col("language").str.strip_chars() == "")
    tests = {
        "a summary over languages": scope.is_not_null() & ~scope.is_in(["language", "gap"]) | (pl.col("language") == MULTIPLE),
        "no language": blank,
        "no model or benchmark": pl.col("model").is_null() | pl.col("benchmark").is_null(),
        "no item": pl.col("item").is_null() if has_items else pl.lit(value=False),
    }
    for reason, test in tests.items():
        kept = frame.filter(~test.fill_null(value=False))
        if frame.height > kept.height:
            left.rows[reason] += frame.height - kept.height
        frame = kept
    return frame


def _with_tags(frame: pl.DataFrame, where: str, left: Left) -> pl.DataFrame:
    """Replace names and codes of languages by tags; the spelling goes to the part, so that varieties stay rows of their own."""
    import polars as pl

    tags: dict[str, str] = {}
    for text, rows in frame["language"].value_counts().iter_rows():
        tag = _tag(text)
        if tag is None:
            left.unresolved[text, where] += rows
            left.rows["a language that is not known"] += rows
        else:
            tags[text] = tag
    for tag in sorted({tag for tag in tags.values() if sum(one == tag for one in tags.values()) > 1}):
        left.notes.append(f"{where}: {', '.join(sorted(text for text in tags if tags[text] == tag))} are all counted as {tag}.")
    spelt = pl.concat_str([pl.col("part"), pl.col("language")], separator="\t")
    known = frame.filter(pl.col("language").is_in(list(tags)))
    return known.with_columns(spelt.alias("part"), pl.col("language").replace(tags).alias("language"))


def _tag(text: str) -> str | None:
    try:
        return canonical_tag(text.strip())
    except LanguageError:
        found = resolve(text)
        return found.tags[0] if found and len(found.tags) == 1 else None


def _checked(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Refuse a second score of one item.

    Raises:
        DataError: two rows are the same in everything but the score.
    """
    import polars as pl

    key = ["model", "benchmark", "metric", "language", "item", "part", "scope"]
    twice = frame.filter(frame.select(key).is_duplicated())
    if twice.is_empty():
        return frame
    row = twice.row(0, named=True)
    what = f"item {row['item']!r}" if row["item"] is not None else "the summary"
    raise DataError(
        f"{where}: {row['model']}, {row['benchmark']}, {row['metric'] or 'score'}: {what} in {row['language']} is there "
        f"{twice.filter(pl.col('item').eq_missing(row['item'])).height} times. An item counts once: remove the repeated rows, or "
        "tell samples apart in a column `sample`."
    )
