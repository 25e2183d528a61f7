"""Which files of a folder hold which split, configuration and language of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from polylect.errors import DataError
from polylect.evaluate.benchmarks.config_names import SPLITS, config_language

__all__ = ["DataFile", "data_files"]

_SUFFIXES = (".parquet", ".jsonl", ".json", ".csv", ".tsv")
# Files of a dataset repository that hold no rows.
_NO_DATA = frozenset({"dataset_infos.json", "dataset_info.json", "state.json", "config.json", "metadata.json", "croissant.json"})
_SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_SPLIT_NAMES = {"training": "train", "val": "validation", "valid": "validation", "evaluation": "eval"}
# Folders and file names that say nothing: `data/`, the numbered files of a converted Parquet branch (`0000.parquet`).
_SILENT = frozenset({"data", "default", "parquet", "json", "csv", "jsonl", "0000"})


@dataclass(frozen=True)
class DataFile:
    """One file: its path, the split it holds ("" if it does not say), and the names in its path, the nearest first."""

    path: Path
    split: str
    names: tuple[str, ...]

    @property
    def language(self) -> str | None:
        """The tag that the nearest name in the path stands for, or None."""
        return next((tag for tag in map(config_language, self.names) if tag is not None), None)

    def config(self, patterns: Sequence[str]) -> str:
        """Return the nearest name in the path that is of one of the patterns (`aya_*`), or ""."""
        return next((name for name in self.names if any(fnmatch(name, pattern) for pattern in patterns)), "")

    @property
    def series(self) -> str:
        """Name the file without the number of its shard: rows are counted over the shards of one file."""
        return str(self.path.with_name(_SHARD.sub("", self.path.stem)))


def data_files(data: Path, split: str) -> list[DataFile]:
    """Return the files that hold rows of a split, in the order of their paths; files that name no split count as it.

    Known layouts: `CONFIG/SPLIT-00000-of-00001.parquet`, `data/CONFIG/SPLIT*.jsonl`, `SPLIT/LANGUAGE.jsonl`,
    `LANGUAGE.csv`, `CONFIG/SPLIT/0000.parquet`, FLORES' `SPLIT/xxx_Xxxx.SPLIT` (one sentence per line).

    Raises:
        DataError: there is no such file or folder, or none of its files holds the split.
    """
    if data.is_file():
        return [_described(data, Path(data.name), split)]
    if not data.is_dir():
        raise DataError(f"{data}: no such file or folder. Give the folder of the benchmark's repository, or one file of it.")
    found = [_described(path, path.relative_to(data), split) for path in _candidates(data, split)]
    wanted = [file for file in found if file.split in ("", split)]
    if wanted:
        return wanted
    if not found:
        raise DataError(
            f"{data}: no data files. Expected files that end in {', '.join(_SUFFIXES)}, as the benchmark's repository has them."
        )
    splits = ", ".join(sorted({file.split for file in found}))
    raise DataError(f"{data}: no file of the split {split!r}; found files of {splits}. Add the file, or ask for another split.")


def _candidates(data: Path, split: str) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        parts = path.relative_to(data).parts
        hidden = any(part.startswith((".", "_")) for part in parts)
        holds_rows = path.suffix.lower() in _SUFFIXES or path.suffix == f".{split}"
        if path.is_file() and not hidden and holds_rows and path.name.lower() not in _NO_DATA:
            yield path


def _described(path: Path, relative: Path, split: str) -> DataFile:
    stem = _SHARD.sub("", relative.stem)
    if path.suffix == f".{split}":
        return DataFile(path, split, (stem, *reversed(relative.parts[:-1])))
    parts = [stem, *reversed(relative.parts[:-1])]
    named = [_split_of(part, split) for part in parts]
    found = next((name for name in named if name), "")
    names = tuple(part for part in parts if part.lower() not in _SILENT and part.lower() not in SPLITS and part != split)
    return DataFile(path, found, names)


def _split_of(part: str, wanted: str) -> str:
    """Return the split that a part of a path names: the whole part, or its first or last piece (`test-en`, `xcopa_test`)."""
    for piece in (part, *_pieces(part)):
        if piece == wanted or piece.lower() in SPLITS:
            return _SPLIT_NAMES.get(piece.lower(), piece) if piece != wanted else wanted
    return ""


def _pieces(name: str) -> tuple[str, ...]:
    """Return the first and the last piece of a name such as `mgsm_bn`, `ar-test`; nothing where it is one piece."""
    pieces = re.split(r"[-_.]", name)
    return (pieces[-1], pieces[0]) if len(pieces) > 1 else ()
