"""The marked blocks of a documentation page: what is run, what is written to a file, what must come out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^<!-- (run|output|file)(?:: (\S+))?(?:, exit code (\d+))? -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block with a mark before it: `<!-- run -->`, `<!-- output -->` or `<!-- file: NAME -->`."""

    mark: str
    name: str
    exit_code: int
    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the marked blocks of a page from top to bottom."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        mark, name, code, language, body = found.groups()
        yield Block(mark, name or "", int(code or 0), language, body, text.count("\n", 0, found.start()) + 1)


def matches(expected: str, found: str) -> bool:
    """Tell whether an output is as the page says: "…" stands for any text; lines may be padded at their ends."""

    def plain(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip().splitlines())

    pattern = ".*?".join(re.escape(part) for part in plain(expected).split("…"))
    return re.fullmatch(pattern, plain(found), re.DOTALL) is not None
