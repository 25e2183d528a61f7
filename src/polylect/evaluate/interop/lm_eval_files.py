"""The files that lm-evaluation-harness writes with `--log_samples`, in the layouts of its versions.

- 0.4.3 and later: `MODEL/results_DATE.json` and `MODEL/samples_TASK_DATE.jsonl`, one JSON object per line; with an output path
  that ends in .json, `STEM_DATE.json` instead of `results_DATE.json`.
- 0.4.0 to 0.4.2: `results.json` and `MODEL-ARGUMENTS_TASK.jsonl`, which holds one JSON list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["SampleFile", "find", "rows_of"]

_DATE = r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}(?:\.\d+)?"
_SAMPLES = re.compile(rf"samples_(?P<task>.+?)(?:_(?P<date>{_DATE}))?\.jsonl?")
_DATED = re.compile(rf"_(?P<date>{_DATE})\.json$")
_MODEL_KEYS = ("peft", "delta", "pretrained", "model", "path", "engine")


@dataclass(frozen=True)
class _Results:
    """A results file: where it is, its content, the date in its name ("" in the older layout)."""

    path: Path
    content: Mapping[str, Any]
    date: str


@dataclass(frozen=True)
class SampleFile:
    """The samples of one task.

    Attributes:
        path: of the samples.
        task: the task's name.
        date: of the run, as the file's name has it; "" in the older layout.
        results: path of the results file of the same run; None where there is none.
        content: of the results file; empty where there is none.
    """

    path: Path
    task: str
    date: str
    results: Path | None
    content: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model's name: as the harness has it, else from its arguments, else the folder's name."""
        name = self.content.get("model_name")
        if isinstance(name, str) and name:
            return name
        arguments = (self.content.get("config") or {}).get("model_args")
        return _from_arguments(arguments) or self.path.parent.name

    @property
    def config(self) -> Mapping[str, Any]:
        """The task's configuration."""
        return self._about("configs") or {}

    @property
    def digest(self) -> str | None:
        """The hash over the hashes of all rows, in order."""
        found = self._about("task_hashes")
        return found if isinstance(found, str) else None

    @property
    def count(self) -> int | None:
        """The number of documents that were asked."""
        found = (self._about("n-samples") or {}).get("effective")
        return found if isinstance(found, int) else None

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the filters, in the order in which they were applied; the harness calls the absent one "none"."""
        listed = self.config.get("filter_list") or ()
        return tuple(str(entry.get("name")) for entry in listed) or ("none",)

    @property
    def shots(self) -> int | None:
        """Number of examples."""
        found = self._about("n-shot")
        return found if isinstance(found, int) else None

    def _about(self, key: str) -> Any:
        return (self.content.get(key) or {}).get(self.task)


def find(path: Path) -> tuple[list[SampleFile], list[SampleFile]]:
    """Return the newest samples of each model and task under a folder (or one file), and the older ones that they replace.

    Raises:
        DataError: there are none, or a results file cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Give the folder that lm_eval wrote with --log_samples.")
    folder = path if path.is_dir() else path.parent
    documents = sorted(folder.rglob("*.json") if path.is_dir() else folder.glob("*.json"))
    results = [found for one in documents if (found := _results(one))]
    candidates = sorted(path.rglob("*.json*")) if path.is_dir() else [path]
    files = [file for one in candidates if (file := _sample_file(one, results))]
    if not files:
        hint = (
            "There are results and no samples: run lm_eval with --log_samples." if results else "Name the folder of its output."
        )
        raise DataError(f"{path}: no samples of lm-evaluation-harness (samples_TASK_DATE.jsonl) are here. {hint}")
    newest: dict[tuple[str, str], SampleFile] = {}
    for file in sorted(files, key=lambda file: (file.date, str(file.path))):
        newest[file.model, file.task] = file
    kept = {id(file) for file in newest.values()}
    return [file for file in files if id(file) in kept], [file for file in files if id(file) not in kept]


def _results(path: Path) -> _Results | None:
    """Return a results file, or None for other JSON."""
    if path.name.startswith("samples_"):
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        if path.name.startswith("results"):
            raise DataError(f"{path}: not a readable results file ({error}). Was it cut short? Run lm_eval again.") from error
        return None
    if not (isinstance(content, dict) and isinstance(content.get("results"), dict) and isinstance(content.get("configs"), dict)):
        return None
    dated = _DATED.search(path.name)
    return _Results(path, content, dated["date"] if dated else "")


def _sample_file(path: Path, results: Sequence[_Results]) -> SampleFile | None:
    near = [found for found in results if found.path.parent == path.parent]
    named = _SAMPLES.fullmatch(path.name)
    if named:
        date = named["date"] or ""
        run = next((found for found in near if found.date == date), None)
        return SampleFile(path, _spelling(named["task"], run), date, run.path if run else None, run.content if run else {})
    if path.suffix != ".jsonl":
        return None
    older = [found for found in near if not found.date]
    tasks = [(task, found) for found in older for task in found.content["configs"] if path.stem.endswith(f"_{task}")]
    if not tasks:
        return None
    task, owner = max(tasks, key=lambda pair: len(pair[0]))
    return SampleFile(path, task, "", owner.path, owner.content)


def _spelling(name: str, results: _Results | None) -> str:
    """Return a task's name as its configuration spells it; older file names have "_" for other characters."""
    tasks = results.content["configs"] if results else {}
    return next((task for task in tasks if task == name or re.sub(r"\W", "_", task) == name), name)


def _from_arguments(arguments: Any) -> str:
    """Return the model's name in the arguments, a mapping or `key=value,...`."""
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    if not isinstance(arguments, Mapping):
        return ""
    return next((str(arguments[key]) for key in _MODEL_KEYS if arguments.get(key)), "")


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row) of a samples file, either of JSON lines or one JSON list.

    Raises:
        DataError: a row is not a JSON object; the message names file and row.
    """
    with path.open(encoding="utf-8") as file:
        start = file.read(1)
        file.seek(0)
        if start == "[":
            yield from _list_rows(path, file.read())
            return
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{path}, row {number}: not valid JSON ({error}). The file was cut short or changed; run the task again."
                ) from error
            yield number, _object(path, number, row)


def _list_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON ({error}). The file was cut short or changed; run the task again.") from error
    for number, row in enumerate(rows, start=1):
        yield number, _object(path, number, row)


def _object(path: Path, number: int, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{path}, row {number}: {type(row).__name__} found where a JSON object is expected.")
    return row
