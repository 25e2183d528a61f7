"""From files or the hub to checked items, language by language."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polylect import languages as language_table
from polylect.errors import DataError, EvaluationError
from polylect.evaluate.benchmarks.base import Benchmark, Row
from polylect.evaluate.benchmarks.checking import checked
from polylect.evaluate.benchmarks.config_names import language_of
from polylect.evaluate.benchmarks.files import DataFile, data_files
from polylect.evaluate.benchmarks.hub import hub_tables
from polylect.evaluate.benchmarks.pairing import pairs
from polylect.evaluate.benchmarks.reading import rows_of
from polylect.evaluate.task_types import Item

__all__ = ["load"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TEXT_FORMATS = frozenset({".csv", ".tsv"})


@dataclass(frozen=True)
class _Table:
    """Rows as read, with what their place says about them."""

    rows: Iterable[tuple[int, dict[str, Any]]]
    language: str | None
    config: str
    where: str
    series: str
    from_text: bool = False


def load(
    entry: Benchmark, data: Path | str | None, languages: Sequence[str] | None, split: str, skipped: Counter[str] | None
) -> Iterator[Item]:
    """Yield the checked items of a split; see `Benchmark.load`.

    Two rows of one id in one language: in one file, both are kept, the second as `ID#2`, and counted in `skipped` under
    "repeated id"; in two files the set is there twice, which is refused.
    """
    wanted = None if languages is None else tuple(dict.fromkeys(language_table.canonical(tag) for tag in languages))
    notes: Counter[str] = Counter() if skipped is None else skipped
    needed = wanted if wanted is None or not entry.paired_with else tuple(dict.fromkeys((entry.paired_with, *wanted)))
    tables = list(_tables(entry, data, split, needed, notes))
    found = {table.language for table in tables if table.language}
    tables = [table for table in tables if needed is None or not table.language or table.language in needed]
    if entry.language_in == "path":
        _check_found(entry, data, split, wanted, found)
        order = {tag: place for place, tag in enumerate(wanted or sorted(found))}
        tables.sort(key=lambda table: order[table.language or ""])
        yield from _checked_items(entry, tables, split, needed, notes)
        return
    by_language: dict[str, list[Item]] = defaultdict(list)
    for item in _checked_items(entry, tables, split, needed, notes):
        by_language[item.language].append(item)
    _check_found(entry, data, split, needed, by_language)
    if entry.paired_with:
        yield from pairs(entry.paired_with, by_language, wanted or sorted(by_language), notes)
        return
    for tag in wanted or sorted(by_language):
        yield from by_language[tag]


def _checked_items(
    entry: Benchmark, tables: Iterable[_Table], split: str, wanted: Sequence[str] | None, notes: Counter[str]
) -> Iterator[Item]:
    ids = _Ids(notes)
    read: Counter[str] = Counter()
    for table in tables:
        for number, values in table.rows:
            row = _row(entry, table, split, number, values, read[table.series])
            read[table.series] += 1
            for item in _items(entry, row, wanted, notes):
                yield ids.unique(item, table.where)


def _tables(
    entry: Benchmark, data: Path | str | None, split: str, wanted: Sequence[str] | None, notes: Counter[str]
) -> Iterator[_Table]:
    if data is not None and (isinstance(data, Path) or Path(data).exists() or not _HUB_ID.fullmatch(data)):
        yield from _file_tables(entry, data_files(Path(data), split), wanted, notes)
        return
    hub_id = data or (entry.hub_ids[0] if entry.hub_ids else "")
    if not hub_id:
        raise EvaluationError(f"benchmark {entry.name!r}: it has no id on the hub. Give its data: --data DIR.")
    for table in hub_tables(entry, str(hub_id), split, wanted):
        if entry.language_in == "path" and table.language is None:
            notes[f"configuration {table.config!r} names no known language"] += 1
            continue
        yield _Table(enumerate(table.rows, start=1), table.language, table.config, table.where, table.where)


def _file_tables(
    entry: Benchmark, files: Sequence[DataFile], wanted: Sequence[str] | None, notes: Counter[str]
) -> Iterator[_Table]:
    for file in files:
        config = file.config(entry.only_configs)
        if entry.only_configs and not config and len(files) > 1:
            continue
        language = None if entry.language_in == "rows" else file.language
        if entry.language_in == "path" and language is None:
            if wanted is None or len(wanted) > 1 or len(files) > 1:
                notes[f"file {file.path.name!r} names no known language"] += 1
                continue
            # One file and one language asked for: the caller says which language the file is in.
            language = wanted[0]
        text = file.path.suffix.lower() in _TEXT_FORMATS
        config = config or (file.names[0] if file.names else "")
        yield _Table(rows_of(file.path), language, config, str(file.path), file.series, text)


def _row(entry: Benchmark, table: _Table, split: str, number: int, values: Mapping[str, Any], position: int) -> Row:
    where = f"{table.where}, row {number}"
    return Row(
        values={**values, **checked(where, values, entry.columns, table.from_text)},
        language=table.language or "",
        config=table.config,
        split=split,
        number=position,
        where=where,
    )


def _items(entry: Benchmark, row: Row, wanted: Sequence[str] | None, notes: Counter[str]) -> Iterator[Item]:
    for item in entry.read(row):
        tag = language_of(item.language)
        if tag is None:
            notes[f"language {item.language!r} is not in the table of languages"] += 1
        elif wanted is None or tag in wanted:
            yield replace(item, benchmark=entry.name, language=tag, where=row.where)


class _Ids:
    """Keeps the ids of one language apart."""

    def __init__(self, notes: Counter[str]) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._repeats: Counter[tuple[str, str]] = Counter()
        self._notes = notes

    def unique(self, item: Item, source: str) -> Item:
        key = (item.language, item.item)
        first = self._first.setdefault(key, source)
        if first != source:
            raise DataError(
                f"{item.where}: item {item.item!r} in {item.language} is in {first} already. The set seems to be there twice: "
                "keep one copy of it in the folder."
            )
        self._repeats[key] += 1
        if self._repeats[key] == 1:
            return item
        self._notes["repeated id"] += 1
        return replace(item, item=f"{item.item}#{self._repeats[key]}")


def _check_found(
    entry: Benchmark, data: Path | str | None, split: str, wanted: Sequence[str] | None, found: Collection[str]
) -> None:
    source = data if data is not None else (entry.hub_ids[0] if entry.hub_ids else entry.name)
    present = ", ".join(sorted(found)) or "none"
    missing = [tag for tag in wanted or () if tag not in found]
    if missing:
        raise DataError(
            f"{source}: no items of {entry.name!r} in {', '.join(missing)} (split {split!r}); found {present}. "
            "Leave the language out, or add its files."
        )
    if not found:
        raise DataError(
            f"{source}: no items of {entry.name!r} in the split {split!r}. Folders or files are to be named after languages as "
            f"in {', '.join(entry.configs[:3]) or 'en'}, or a single file be given with one language."
        )
