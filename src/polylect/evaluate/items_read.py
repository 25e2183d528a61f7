"""The items of an evaluation: read, limited, and hashed, so that results can say which data they are about."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polylect.errors import EvaluationError
from polylect.evaluate.benchmarks.base import Benchmark
from polylect.evaluate.task_types import Item

__all__ = ["ReadItems", "data_of", "read_items"]


@dataclass(frozen=True)
class ReadItems:
    """Items in the order of the data; `skipped` counts rows that were not read, by reason; `digest` is a hash of the items."""

    items: tuple[Item, ...]
    skipped: Counter[str]
    digest: str


def data_of(entry: Benchmark, data: Path | str | None, benchmarks: int) -> Path | str | None:
    """Return where the data of a benchmark lie: a folder of its name inside `data`, else `data` itself for a single benchmark.

    Raises:
        EvaluationError: several benchmarks, and `data` has no folder for this one.
    """
    if data is None or not Path(data).is_dir():
        return data
    repositories = [hub_id.partition("/")[2] for hub_id in entry.hub_ids]
    for name in (entry.name, *repositories):
        if (Path(data) / name).is_dir():
            return Path(data) / name
    if benchmarks > 1:
        names = " or ".join(dict.fromkeys((entry.name, *repositories)))
        raise EvaluationError(f"{data}: no folder {names} for the benchmark {entry.name!r}. Put the data of each into one.")
    return data


def read_items(entry: Benchmark, data: Path | str | None, languages: Sequence[str] | None, limit: int | None) -> ReadItems:
    """Read the items of the test split.

    Args:
        entry: the benchmark.
        data: where they lie; None: the hub.
        languages: tags; None: all.
        limit: most items per language and subset, the first ones: the same ones in parallel data.

    Raises:
        DataError: as `Benchmark.load`.
        EvaluationError: there are none.
    """
    skipped: Counter[str] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    items = []
    digest = hashlib.sha256()
    for item in entry.load(data, languages, skipped=skipped):
        place = (item.language, item.subset)
        taken[place] += 1
        if limit is not None and taken[place] > limit:
            skipped["over the limit"] += 1
            continue
        items.append(item)
        content = [item.key, item.subset, item.text, item.options, item.answer, item.references, _turns(item)]
        digest.update(json.dumps(content, ensure_ascii=True, separators=(",", ":"), default=str).encode())
    if not items:
        raise EvaluationError(f"benchmark {entry.name!r}: no items in {data or 'its data'}. Look at --data and --languages.")
    return ReadItems(tuple(items), skipped, digest.hexdigest())


def _turns(item: Item) -> list[list[object]]:
    return [[turn.text, turn.instructions, [dict(values) for values in turn.arguments]] for turn in item.turns]
