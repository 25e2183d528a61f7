"""Tables as evidence: what the rows of a mixture, of results, of people's judgements and of safety tests show per language.

A table is Parquet, JSON lines or CSV with a column `language` (or `lang`). Rows are counted by polars, so that a mixture of
millions of rows is no trouble. Rows that show nothing (unscored, failed, no tokens) are counted in the notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import DataError, nearest
from polylect.gap.evidence import Evidence, Unresolved
from polylect.gap.language_names import resolve
from polylect.records import MULTIPLE

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Found", "human_table", "mixture_table", "results_table", "safety_table", "scored_rows"]

_LANGUAGE = ("language", "lang")
_AMOUNTS = ("tokens", "words", "bytes", "documents", "examples", "rows", "count", "share", "percent", "percentage", "weight")
_SCORES = ("score", "value", "winner")
_OUTCOMES = (*_SCORES, "harmful", "refused", "verdict", "label", "outcome", "rate")
_PEOPLE = ("judge", "annotator", "rater")
_SHORT = 60


@dataclass
class Found:
    """What sources gave: evidence, words that name no language, and notes on what was left out."""

    evidence: list[Evidence] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take over what another source gave."""
        self.evidence += other.evidence
        self.unresolved += other.unresolved
        self.notes += other.notes


def mixture_table(path: Path, name: str | None = None) -> Found:
    """Return what a training mixture shows: a row per example, or rows with an amount (tokens, share, ...) per language.

    Raises:
        DataError: the table cannot be read, or has no column `language`.
    """
    import polars as pl

    frame, source = _frame(path), name or path.name
    amount = next((column for column in _AMOUNTS if column in frame.columns), None)
    if amount is None:
        return _found(frame, source, "trained", lambda group: f"{group.height:,} examples")
    numbers = frame.with_columns(pl.col(amount).cast(pl.Float64, strict=False))
    used = numbers.filter(pl.col(amount) > 0)
    found = _found(used, source, "trained", lambda group: f"{amount} {_number(float(group[amount].sum()))}")
    if dropped := numbers.height - used.height:
        found.notes.append(f"{source}: {dropped:,} rows without {amount} above 0 are no evidence of training.")
    return found


def results_table(path: Path, name: str | None = None) -> Found:
    """Return what a table of results shows: rows with a score are an evaluation; those that people judged, a human check.

    Tables of `Measurement`, `Result`, `Summary` and `Verdict` are known, and any with a column score, value or winner.

    Raises:
        DataError: the table cannot be read, or has no column of scores.
    """
    return scored_rows(_frame(path), name or path.name)


def scored_rows(frame: pl.DataFrame, source: str) -> Found:
    """Return what the scored rows of a frame show; see `results_table`."""
    import polars as pl

    score = next((column for column in _SCORES if column in frame.columns), None)
    if score is None:
        raise DataError(
            f"{source}: no column of scores ({', '.join(_SCORES)}); found {', '.join(frame.columns)}. "
            "Give results with --results, a training mixture with --mixture, safety tests with --safety."
        )
    if "scope" in frame.columns:
        frame = frame.filter(pl.col("scope") == "language")
    scored = frame.filter(pl.col(score).is_not_null())
    if "n" in scored.columns:
        scored = scored.filter(pl.col("n").cast(pl.Float64, strict=False).fill_null(0) > 0)
    found = _found(scored, source, "evaluated", _measured)
    if left := frame.height - scored.height:
        found.notes.append(f"{source}: {left:,} rows without a score are no evidence of an evaluation.")
    person = next((column for column in _PEOPLE if column in scored.columns), None)
    if person is not None:
        by_people = scored.filter(pl.col(person).cast(pl.String).str.contains(r"(?i)^\s*(?:human|people|person|native)"))
        found.add(_found(by_people, source, "human-checked", lambda group: f"judged by {_some(group, person)}"))
    return found


def human_table(path: Path, name: str | None = None) -> Found:
    """Return what a table of people's judgements, votes or annotations shows: each row is one.

    Raises:
        DataError: the table cannot be read, or has no column `language`.
    """
    return _found(_frame(path), name or path.name, "human-checked", lambda group: f"{group.height:,} judgements by people")


def safety_table(path: Path, name: str | None = None) -> Found:
    """Return what a table of safety tests shows; rows with a `mitigation` (its name) show that something was done, too.

    Raises:
        DataError: the table cannot be read, or has no column `language`.
    """
    import polars as pl

    frame, source = _frame(path), name or path.name
    outcome = next((column for column in _OUTCOMES if column in frame.columns), None)
    tested = frame if outcome is None else frame.filter(pl.col(outcome).is_not_null())
    found = _found(tested, source, "safety-tested", lambda group: f"{group.height:,} safety tests{_benchmarks(group)}")
    if left := frame.height - tested.height:
        found.notes.append(f"{source}: {left:,} rows without {outcome} are no evidence of a safety test.")
    if "mitigation" in frame.columns:
        text = pl.col("mitigation").cast(pl.String).str.strip_chars().fill_null("")
        done = frame.filter(~text.str.to_lowercase().is_in(["", "none", "no", "false", "0"]))
        found.add(_found(done, source, "mitigated", lambda group: f"mitigation: {_some(group, 'mitigation')}"))
    return found


def _frame(path: Path) -> pl.DataFrame:
    """Read a table; empty texts of a CSV are empty.

    Raises:
        DataError: it is missing, unreadable, has no rows, or no column of languages.
    """
    import polars as pl

    if not path.is_file():
        raise DataError(f"{path}: no such table. Expected a .parquet, .jsonl or .csv file with a column 'language'.")
    readers: dict[str, Callable[[], pl.DataFrame]] = {
        ".parquet": lambda: pl.read_parquet(path),
        ".jsonl": lambda: pl.read_ndjson(path, infer_schema_length=None),
        ".csv": lambda: pl.read_csv(path, infer_schema=False),
        ".tsv": lambda: pl.read_csv(path, infer_schema=False, separator="\t"),
    }
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: {path.suffix or 'no'} ending; a table is one of {', '.join(readers)}.")
    try:
        frame = readers[path.suffix.lower()]()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(f"{path}: cannot be read as a {path.suffix[1:]} table ({reason}). Write it again.") from error
    column = next((one for one in _LANGUAGE if one in frame.columns), None)
    if column is None:
        hint = nearest("language", frame.columns)
        raise DataError(f"{path}: column 'language' is missing; found {', '.join(frame.columns) or 'none'}.{hint}")
    if not frame.height:
        raise DataError(f"{path}: the table has no rows, so it shows nothing. Leave it out, or give the full one.")
    return frame.rename({column: "language"}) if column != "language" else frame


def _found(frame: pl.DataFrame, source: str, level: str, quote: Callable[[pl.DataFrame], str]) -> Found:
    """Return one piece of evidence per language of the frame, with its number of rows."""
    import polars as pl

    found = Found()
    frame = frame.with_columns(pl.col("language").cast(pl.String))
    for (text,), group in sorted(frame.group_by("language"), key=lambda pair: str(pair[0][0])):
        if text in {MULTIPLE, None, ""}:
            if text != MULTIPLE:
                found.notes.append(f"{source}: {group.height:,} rows name no language.")
            continue
        resolved = resolve(str(text))
        if resolved is None:
            reason = f"names no known language ({group.height:,} rows)"
            found.unresolved.append(Unresolved(text=str(text), source=source, line=None, reason=reason))
            continue
        for tag in resolved.tags:
            rows = int(group["n"].cast(pl.Int64, strict=False).sum()) if "n" in group.columns else group.height
            text = quote(group)
            found.evidence.append(
                Evidence(level=level, language=tag, source=source, kind="rows", quote=text, rows=rows, note=resolved.note)
            )
    return found


def _measured(group: pl.DataFrame) -> str:
    """Say what was measured: "xcopa, mgsm: accuracy" or the stages of a run."""
    what = _some(group, "benchmark") or _some(group, "stage") or _some(group, "a") or "scores"
    metrics = _some(group, "metric")
    return f"{what}: {metrics}" if metrics else what


def _benchmarks(group: pl.DataFrame) -> str:
    named = _some(group, "benchmark") or _some(group, "category")
    return f" ({named})" if named else ""


def _some(group: pl.DataFrame, column: str) -> str:
    """Return the distinct values of a column, at most three by name."""
    if column not in group.columns:
        return ""
    values = sorted(str(value) for value in group[column].drop_nulls().unique().to_list())
    text = ", ".join(value[:_SHORT] for value in values[:3])
    return f"{text} and {len(values) - 3} more" if len(values) > 3 else text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.4g}"
