"""The rows that lm-evaluation-harness logs, read and checked: one document after one filter per row."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.interop.lm_eval_files import SampleFile, rows_of

__all__ = ["CHANGED", "Option", "Sample", "read_samples"]

CHANGED = "changed since it was written (a hash does not match)"

_HASHES = ("doc_hash", "prompt_hash", "target_hash")
_KEYS = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", *_HASHES}
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Option:
    """One scored continuation: natural log-likelihood after its context, and whether each token was the most probable one."""

    context: str
    continuation: str
    logprob: float
    greedy: bool


@dataclass(frozen=True)
class Sample:
    """One row.

    Attributes:
        doc_id: index of the document in its split.
        doc: the row of the data set.
        target: the right answer, as the task writes it.
        filter: what was done to the answers before they were scored; "none" is the harness's word for nothing.
        prompt: the first request's text.
        options: of a task that is scored by log-likelihood; empty for others.
        texts: generated answers, before the filter.
        extracted: what the filter made of the first answer; None for log-likelihoods.
        metrics: the values by the harness's names; those that are no single number are left out.
        corpus_metrics: names of the metrics that have no value per document (BLEU and such).
        where: file and row.
    """

    doc_id: int
    doc: Mapping[str, Any]
    target: str
    filter: str
    prompt: str
    options: tuple[Option, ...]
    texts: tuple[str, ...]
    extracted: str | None
    metrics: Mapping[str, float]
    corpus_metrics: tuple[str, ...]
    where: str


def read_samples(file: SampleFile, notes: Counter[str], *, allow_changed: bool = False) -> Iterator[Sample]:
    """Yield the rows of a samples file.

    A row that repeats another one exactly is counted in `notes` and left out. Hashes are checked where the version that wrote the
    file had them: of prompt and target for each row, over all rows for the file; and the number of documents.

    Args:
        file: to be read.
        notes: counts what is left out or changed.
        allow_changed: whether rows and files that do not match their hashes are counted and taken.

    Raises:
        DataError: a row lacks a key, contradicts an earlier one, or does not match its hash; the message names file and row.
    """
    seen: dict[tuple[int, str], bytes] = {}
    passes: Counter[int] = Counter()
    digest = hashlib.sha256()
    for number, row in rows_of(file.path):
        where = f"{file.path}, row {number}"
        _check_keys(where, row)
        _check_hashes(where, row, notes, allow_changed)
        digest.update("".join(str(row.get(name, "")) for name in _HASHES).encode())
        key = (row["doc_id"], _filter(file, row, passes))
        content = hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=False).encode()).digest()
        if key not in seen:
            seen[key] = content
            yield _sample(where, row, key[1])
        elif seen[key] == content:
            notes["row repeated"] += 1
        else:
            raise DataError(
                f"{where}: document {key[0]} (filter {key[1]!r}) is there already with other content. Two runs seem to be in one "
                "file: keep one of them."
            )
    documents = len({doc_id for doc_id, _ in seen})
    _check_file(file, digest.hexdigest(), documents, notes, allow_changed)


def _filter(file: SampleFile, row: Mapping[str, Any], passes: Counter[int]) -> str:
    """Return the filter of a row; older versions do not name it and write one row per filter, in order."""
    if "filter" in row:
        return str(row["filter"])
    passes[row["doc_id"]] += 1
    return file.filters[min(passes[row["doc_id"]], len(file.filters)) - 1]


def _check_keys(where: str, row: Mapping[str, Any]) -> None:
    missing = sorted({"doc_id", "doc", "target", "arguments", "filtered_resps"} - set(row))
    if missing:
        raise DataError(f"{where}: no {', '.join(map(repr, missing))}. A row that lm_eval logs with --log_samples has it.")


def _check_hashes(where: str, row: Mapping[str, Any], notes: Counter[str], allow_changed: bool) -> None:
    """Compare prompt and target with their hashes; that of the document cannot be made again from every kind of value."""
    texts = {"prompt": _first(row["arguments"]), "target": str(row["target"])}
    for name, text in texts.items():
        stated = row.get(f"{name}_hash")
        if stated is None or not isinstance(text, str) or stated == hashlib.sha256(text.encode()).hexdigest():
            continue
        if not allow_changed:
            raise DataError(
                f"{where}: the {name} does not match its hash {stated[:12]}..., so the row was changed after lm_eval wrote it. "
                "Run the task again, or give --allow-changed to take such rows and count them."
            )
        notes[f"{name} {CHANGED}"] += 1


def _check_file(file: SampleFile, digest: str, documents: int, notes: Counter[str], allow_changed: bool) -> None:
    """Compare the whole file with what the results file says: number of documents, and the hash over all rows."""
    if file.count is not None and file.count != documents:
        fault = f"{documents} documents, but {file.results} says that {file.count} were asked"
    elif file.digest and file.digest != digest:
        fault = f"its rows do not match the hash that {file.results} has for the task {file.task!r}"
    else:
        return
    if not allow_changed:
        raise DataError(
            f"{file.path}: {fault}. Rows are missing, moved or changed; run the task again, or give --allow-changed to take what "
            "is there."
        )
    notes[f"file: {fault}"] += 1


def _requests(arguments: Any) -> list[list[Any]]:
    """Return the arguments of each request: a list of lists, in newer files a mapping of mappings."""
    if isinstance(arguments, Mapping):
        return [list(one.values()) if isinstance(one, Mapping) else list(one) for one in _ordered(arguments)]
    return [list(one) for one in arguments]


def _ordered(arguments: Mapping[str, Any]) -> list[Any]:
    def place(name: str) -> int:
        found = _NUMBER.search(name)
        return int(found[0]) if found else 0

    return [arguments[name] for name in sorted(arguments, key=place)]


def _first(arguments: Any) -> Any:
    requests = _requests(arguments)
    return requests[0][0] if requests and requests[0] else None


def _sample(where: str, row: Mapping[str, Any], name: str) -> Sample:
    metrics, others = _metrics(row)
    options = _options(where, row)
    prompt = _first(row["arguments"])
    return Sample(
        doc_id=row["doc_id"],
        doc=row["doc"] if isinstance(row["doc"], Mapping) else {},
        target=str(row["target"]),
        filter=name,
        prompt=prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False),
        options=options,
        texts=() if options else tuple(_texts(row.get("resps") or ())),
        extracted=None if options else next(iter(_texts(row["filtered_resps"])), ""),
        metrics=metrics,
        corpus_metrics=others,
        where=where,
    )


def _metrics(row: Mapping[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    names = row.get("metrics") or [name for name in row if name not in _KEYS]
    values = {name: row[name] for name in names if name in row}
    single = {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}
    return single, tuple(sorted(set(values) - set(single)))


def _options(where: str, row: Mapping[str, Any]) -> tuple[Option, ...]:
    """Return the options of a log-likelihood task: requests of (context, continuation), answers of (log-likelihood, greedy)."""
    requests, answers = _requests(row["arguments"]), row["filtered_resps"]
    if not requests or any(len(one) < 2 or not isinstance(one[1], str) for one in requests):
        return ()
    if len(answers) != len(requests) or any(not isinstance(one, Sequence) or len(one) != 2 for one in answers):
        return ()
    try:
        found = [(float(value), str(greedy) == "True") for value, greedy in answers]
    except ValueError as error:
        raise DataError(f"{where}: a log-likelihood is no number ({error}). Run the task again.") from error
    pairs = zip(requests, found, strict=True)
    return tuple(Option(str(one[0]), one[1], value, greedy) for one, (value, greedy) in pairs if not math.isnan(value))


def _texts(answers: Any) -> Iterator[str]:
    """Yield the texts in nested lists of answers."""
    if isinstance(answers, str):
        yield answers
    elif isinstance(answers, Sequence):
        for one in answers:
            yield from _texts(one)
