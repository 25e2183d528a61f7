"""Files below the paths of a survey, found and read in bounded time.

Links to folders are not followed, pipes and devices not opened, and files beyond the limits not read: each is listed with
its reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polylect.errors import DataError

__all__ = ["ENDINGS", "LARGEST_TEXT", "Unread", "decoded", "find_files", "shown"]

ENDINGS = {".txt": "text", ".md": "text", ".markdown": "text", ".tex": "text", ".pdf": "pdf", ".bib": "bibtex", ".jsonl": "jsonl"}
LARGEST_TEXT = 8 << 20
"""Bytes of a text that are read. A book of 1,000 pages has 3 MB."""
LARGEST_TABLE = 512 << 20
LARGEST_PDF = 256 << 20
_MOST_FILES = 200_000
_DEEPEST = 64


@dataclass(frozen=True)
class Unread:
    """Something that was not read, and why."""

    source: str
    reason: str


def shown(text: str | Path) -> str:
    """Return a text or a file's name as text that can be written: names of files need not be Unicode."""
    return str(text).encode("utf-8", errors="replace").decode("utf-8")


def find_files(paths: Sequence[Path], unread: list[Unread]) -> Iterator[tuple[Path, str]]:
    """Yield (file, kind) below the paths in a fixed order, each file once; `kind` is a value of `ENDINGS`.

    Raises:
        DataError: a path is missing, or named itself and of no known kind.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder. Name papers, abstracts (.bib, .jsonl), cards, or a folder of them.")
        if not path.is_dir() and path.suffix.lower() not in ENDINGS:
            raise DataError(f"{path}: {path.suffix or 'no'} ending; a survey reads {', '.join(ENDINGS)}.")
        for file in _below(path, unread) if path.is_dir() else [path]:
            if (kind := ENDINGS.get(file.suffix.lower())) and _is_new(file, seen, unread, kind):
                yield file, kind


def _below(folder: Path, unread: list[Unread]) -> Iterator[Path]:
    """Yield the files below a folder without following links to folders, so that a loop of links has no end to reach."""
    waiting, files = [(folder, 0)], 0
    while waiting:
        here, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            unread.append(Unread(shown(here), f"folder cannot be opened ({error.strerror})"))
            continue
        for entry in reversed(entries):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                if depth < _DEEPEST:
                    waiting.append((Path(entry.path), depth + 1))
                else:
                    unread.append(Unread(shown(entry.path), f"folder lies more than {_DEEPEST} folders deep"))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                continue
            files += 1
            if files > _MOST_FILES:
                unread.append(Unread(shown(folder), f"more than {_MOST_FILES:,} files: the rest was not looked at"))
                return
            yield Path(entry.path)


def _is_new(file: Path, seen: set[tuple[int, int]], unread: list[Unread], kind: str) -> bool:
    """Tell whether a file is a regular one of readable size that was not yielded before."""
    try:
        info = file.stat()
    except OSError as error:
        unread.append(Unread(shown(file), f"cannot be opened ({error.strerror})"))
        return False
    if stat.S_ISDIR(info.st_mode):
        unread.append(Unread(shown(file), "a link to a folder is not followed"))
        return False
    if not stat.S_ISREG(info.st_mode):
        unread.append(Unread(shown(file), "not a regular file"))
        return False
    most = {"pdf": LARGEST_PDF, "text": LARGEST_TEXT, "bibtex": LARGEST_TEXT * 8}.get(kind, LARGEST_TABLE)
    if info.st_size > most:
        unread.append(Unread(shown(file), f"larger than {most >> 20} MB"))
        return False
    key = (info.st_dev, info.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def decoded(file: Path, unread: list[Unread]) -> str | None:
    """Return the text of a file; None, with the reason in `unread`, where it is binary, empty or cannot be opened."""
    try:
        data = file.read_bytes()
    except OSError as error:
        unread.append(Unread(shown(file), f"cannot be opened ({error.strerror})"))
        return None
    if b"\0" in data[:65_536]:
        unread.append(Unread(shown(file), "binary, not text"))
        return None
    text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if text.count("�") > len(text) // 20:
        text = data.decode("cp1252", errors="replace")
    if not text.strip():
        unread.append(Unread(shown(file), "empty"))
        return None
    return text
