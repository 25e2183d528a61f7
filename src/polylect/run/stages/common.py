"""What several stages share: names of files, reading inputs, counting what was dropped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from polylect import tables
from polylect.models.answers import Shots
from polylect.models.requests import Sampling
from polylect.records import Example, Prompt, content_hash
from polylect.run.context import Context

__all__ = ["DROPS", "about", "draw", "few_shots", "first", "load_prompts", "order", "progress", "sampling", "write_drops"]

R = TypeVar("R", Prompt, Example)

DROPS = "drops.json"
"""File of a step's output that says what was dropped: reason -> count."""


def about(name: str, folder: Path) -> dict[str, object]:
    """Return what the report's list of parts says of a model: name, version and hash of its source, licence, origin, size."""
    from polylect.models import describe

    path = folder / "manifest.json"
    source = json.loads(path.read_text()).get("source") if path.is_file() else None
    origin = source if isinstance(source, Mapping) else {}
    return {"name": name, "version": origin.get("version"), "sha256": origin.get("sha256"), **describe(folder)}


def load_prompts(folder: Path, splits: Collection[str], languages: Collection[str] | None = None) -> list[Prompt]:
    """Return the prompts of some splits (and languages) from the output of the prompts step."""
    rows = tables.read(folder / "prompts.parquet", Prompt)
    return [row for row in rows if row.split in splits and (languages is None or row.language in languages)]


def write_drops(context: Context, drops: Mapping[str, int]) -> None:
    """Write what a step dropped, by reason, and note the total."""
    (context.out / DROPS).write_text(json.dumps(dict(sorted(drops.items())), indent=1, ensure_ascii=False) + "\n")
    context.note(dropped=sum(drops.values()))


def order(seed: int, *parts: object) -> str:
    """Return a key that sorts things at random, the same way for the same seed on every machine."""
    return content_hash(seed, *parts)


def draw(rows: Sequence[R], count: int | None, seed: int, name: str) -> list[R]:
    """Return at most `count` rows per language, drawn at random; None: all."""
    return list(rows) if count is None else first(sorted(rows, key=lambda row: order(seed, name, row.id)), count)


def first(rows: Sequence[R], count: int) -> list[R]:
    """Return the first `count` rows of every language."""
    kept, taken = [], Counter[str]()
    for row in rows:
        taken[row.language] += 1
        if taken[row.language] <= count:
            kept.append(row)
    return kept


def sampling(context: Context, **changes: object) -> Sampling:
    """Return the step's sampling settings; greedy unless the step says otherwise."""
    settings = {**dict(context.settings.get("generation", {})), **changes}
    settings.pop("batch_size", None)
    settings["stop"] = tuple(settings.get("stop", ()))
    return Sampling(seed=context.seed, **settings)


def few_shots(folder: Path, languages: Collection[str], count: int, seed: int) -> Shots | None:
    """Return `count` examples per language from the seed split, of different kinds, or None when `count` is 0."""
    if count == 0:
        return None
    from polylect.prompts import few_shot

    seeds = load_prompts(folder, {"seed"})
    return {tag: [(p.text, p.references[0]) for p in few_shot(seeds, tag, count, seed)] for tag in languages}


def progress(context: Context, unit: str):  # type: ignore[no-untyped-def]
    """Return a callback (done, total, note) that reports to the runner in `unit`s."""
    return lambda done, total, note: context.progress(done, total, unit, note)
