"""What `compare` is given: result folders, recorded outputs, models; read into measurements and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from polylect.errors import DataError
from polylect.evaluate.judging.reading import rows_of
from polylect.records import Measurement
from polylect.tables import language_at

__all__ = ["Answer", "Key", "Side", "file_of", "read_side"]

Key: TypeAlias = tuple[str, str, str]
"""What names an item in one language: subset, language, item."""

_OUTPUT = ("output", "text", "completion", "response", "answer")
"""Columns that a recorded output may stand in; the first that is there counts."""

_TABLES = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True)
class Answer:
    """One answer as it was recorded; `text` is None where there is none, with the `reason`. `prompt` is "" where unknown."""

    text: str | None
    prompt: str = ""
    reason: str | None = None
    benchmark: str = ""


@dataclass
class Side:
    """One of the two that are compared.

    Attributes:
        name: of the model, as far as the table tells, else of the folder or file.
        scores: its measurements.
        answers: its answers by item.
        notes: what was left out or is odd, counted.
    """

    name: str
    scores: list[Measurement] = field(default_factory=list)
    answers: dict[Key, Answer] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)


def file_of(given: str) -> Path | None:
    """Return the table that holds what was given: a result folder's, or a file of recorded outputs; None for a model.

    Raises:
        DataError: a file of another kind, or one that does not exist but is named like a table.
    """
    path = Path(given)
    if path.is_dir():
        found = [path / name for name in ("results.parquet", "completions.parquet") if (path / name).is_file()]
        return found[0] if found else None
    if path.suffix in _TABLES:
        if not path.is_file():
            raise DataError(f"{path}: no such file. Give a result folder, recorded outputs (.jsonl, .parquet) or a model.")
        return path
    if path.is_file() and path.suffix != ".gguf":
        raise DataError(f"{path}: {path.suffix or 'such'} files are not compared. Give recorded outputs as .jsonl or .parquet.")
    return None


def read_side(
    given: str, *, benchmarks: Collection[str] = (), only: Collection[str] = (), unparsed_wrong: bool = False
) -> Side | None:
    """Read a result folder or recorded outputs; None where a model is named.

    A result folder has `results.parquet`, of `polylect eval` (measurements) or of a step of `polylect run` (results of a stage,
    with its answers in `completions.parquet`). Recorded outputs have the columns item (or id), language and one for the output,
    and may have prompt, model, benchmark, subset, status, reason; or metric and score.

    Args:
        given: as on the command line.
        benchmarks: names to keep; all when empty.
        only: canonical tags to keep; all when empty.
        unparsed_wrong: give answers that no rule could read a score of 0.

    Raises:
        DataError: a table breaks a rule, or an item has two different answers or scores.
    """
    file = file_of(given)
    if file is None:
        return None
    side = Side(Path(given).stem if Path(given).is_file() else Path(given).name)
    stages: set[str] = set()
    models: set[str] = set()
    rows = rows_of(file, (("item", "id"), "language"))
    stage = file.parent / "completions.parquet"
    if file.name == "results.parquet" and stage.is_file():
        rows = (row for part in (rows, rows_of(stage, (("item", "id"), "language"))) for row in part)
    seen: dict[tuple[Any, ...], tuple[int, Any]] = {}
    for number, row in rows:
        if _take(side, row, f"{file}, row {number}", number, seen, (benchmarks, only, unparsed_wrong)):
            stages.update(str(row[name]) for name in ("stage",) if row.get(name))
            models.update(str(row[name]) for name in ("model",) if row.get(name))
    names = stages or models
    if len(names) == 1:
        side.name = names.pop()
    elif len(names) > 1:
        raise DataError(f"{file}: holds several models ({', '.join(sorted(names))}). Give a table of one model each.")
    _finish(side, file, benchmarks, only)
    return side


def _take(
    side: Side,
    row: Mapping[str, Any],
    where: str,
    number: int,
    seen: dict[tuple[Any, ...], tuple[int, Any]],
    how: tuple[Collection[str], Collection[str], bool],
) -> bool:
    """Take one row in, as a measurement, an answer, or both; tell whether it belongs to what is compared."""
    benchmarks, only, unparsed_wrong = how
    language, benchmark = language_at(f"{where}, column 'language'", row["language"]), str(row.get("benchmark") or "")
    if (benchmarks and benchmark and benchmark not in benchmarks) or (only and language not in only):
        return False
    if row.get("sample"):
        side.notes["further samples of one answer left out"] += 1
        return False
    item = row["item"] if row.get("item") is not None else row["id"]
    key = (str(row.get("subset") or ""), language, str(item))
    if row.get("metric") is not None:
        score = _measurement(row, key, benchmark, where, unparsed_wrong)
        if _new(seen, ("score", benchmark, score.metric, *key), score.score, number, where, side):
            side.scores.append(score)
    column = next((name for name in _OUTPUT if name in row), None)
    if column is not None:
        answer = _answer(row, column, benchmark)
        # Several metrics of one item repeat its answer; recorded outputs must not.
        if row.get("metric") is not None or _new(seen, ("answer", benchmark, *key), answer.text, number, where, side):
            before = side.answers.get(key)
            side.answers[key] = answer if before is None or not before.text else before
    return True


def _new(
    seen: dict[tuple[Any, ...], tuple[int, Any]], key: tuple[Any, ...], value: Any, number: int, where: str, side: Side
) -> bool:
    """Tell whether a row is new; one that repeats another is counted.

    Raises:
        DataError: it contradicts the other.
    """
    before = seen.setdefault(key, (number, value))
    if before[0] == number:
        return True
    if before[1] != value:
        raise DataError(
            f"{where}: item {key[-1]!r} in {key[-2]} has another {key[0]} in row {before[0]}. An item counts once: remove one "
            "of the two."
        )
    side.notes["repeated rows left out"] += 1
    return False


def _measurement(row: Mapping[str, Any], key: Key, benchmark: str, where: str, unparsed_wrong: bool) -> Measurement:
    score = row.get("score", row.get("value"))
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float)) or score != score):
        raise DataError(f"{where}, column 'score': {score!r} is not a number. Leave it empty where it is not known.")
    status = str(row.get("status") or ("ok" if score is not None else "skipped"))
    if score is None and status == "unparsed" and unparsed_wrong:
        score = 0.0
    subset, language, item = key
    return Measurement(
        model="",
        benchmark=benchmark,
        language=language,
        item=item,
        metric=str(row["metric"]),
        score=None if score is None else float(score),
        status=status,
        reason=row.get("reason"),
        subset=subset,
    )


def _answer(row: Mapping[str, Any], column: str, benchmark: str) -> Answer:
    text, prompt = row.get(column), row.get("prompt")
    if isinstance(text, list):
        # The turns of a conversation: one judged text.
        text = "\n\n".join(map(str, text)) if text else None
    failed = row.get("status") == "failed" or text is None
    reason = str(row.get("reason") or ("no output" if text is None else "request failed")) if failed else None
    return Answer(None if failed else str(text), str(prompt or ""), reason and f"no answer ({reason})", benchmark)


def _finish(side: Side, file: Path, benchmarks: Collection[str], only: Collection[str]) -> None:
    if not side.scores and not side.answers:
        chosen = [*benchmarks, *only]
        about = f" for {', '.join(chosen)}" if chosen else ""
        raise DataError(
            f"{file}: nothing to compare{about}. Rows need item and language, and metric with score, or an output in one of the "
            f"columns {', '.join(_OUTPUT)}."
        )
