"""The file of a model card: bytes to text, and its front matter (YAML between two `---` lines) with line numbers.

Hub cards are written by hand and by many tools: a byte order mark, Windows line ends, `language` as a string, unquoted `no`
(false to YAML), broken YAML. All of it is read where it can be, and each oddity is noted.
Front matter as in the hub's model card specification (huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import DataError

if TYPE_CHECKING:
    from yaml import Node

__all__ = ["LARGEST_CARD", "CardFile", "Value", "child", "open_card", "sequence", "text_of", "values_of"]

LARGEST_CARD = 8 << 20
"""Bytes of a card. Cards with hundreds of results have 1 MB; a file of this size is something else."""

_FENCE = re.compile(r"---[ \t]*")
_KEY = re.compile(r"(languages?|language_bcp47|language_details)[ \t]*:[ \t]*(.*)")
_ITEM = re.compile(r"[ \t]*-[ \t]+(.+)")


@dataclass(frozen=True)
class Value:
    """A scalar of the front matter as it is written, and its line in the file (1-based)."""

    text: str
    line: int
    boolean: bool = False


@dataclass(frozen=True)
class CardFile:
    """A card: `lines` of the whole file, the 0-based line where its text begins, its front matter, and what was odd.

    `head` is the YAML node of the front matter, None where there is none or where it is broken; then `salvaged` has what
    could be read of its language lines.
    """

    name: str
    lines: tuple[str, ...]
    body: int
    head: Node | None
    salvaged: tuple[Value, ...]
    notes: tuple[str, ...]


def open_card(path: Path) -> CardFile:
    """Read a card.

    Raises:
        DataError: the file is missing, too large, or binary.
    """
    notes: list[str] = []
    text = _decoded(path, notes)
    lines = tuple(text.split("\n"))
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if not _FENCE.fullmatch(lines[first]):
        notes.append(f"{path.name}: no front matter; languages are taken from the text alone.")
        return CardFile(path.name, lines, 0, None, (), tuple(notes))
    end = next((i for i in range(first + 1, len(lines)) if _FENCE.fullmatch(lines[i])), None)
    if end is None:
        notes.append(f"{path.name}:{first + 1}: the front matter has no closing '---' line; the file is read as text.")
        return CardFile(path.name, lines, 0, None, _salvaged(lines[first + 1 :], first + 1), tuple(notes))
    head, salvaged = _parsed(path.name, lines, first + 1, end, notes)
    return CardFile(path.name, lines, end + 1, head, salvaged, tuple(notes))


def _decoded(path: Path, notes: list[str]) -> str:
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise DataError(
                f"{path}: {path.stat().st_size:,} bytes; a model card has at most {LARGEST_CARD:,}. Name its README.md."
            )
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or error}). Name a model card (README.md) or its folder."
        ) from error
    if b"\0" in raw:
        raise DataError(f"{path}: is not a text file. Name a model card (README.md) or its folder.")
    if raw.startswith(b"\xef\xbb\xbf"):
        notes.append(f"{path.name}: begins with a byte order mark, which some readers of front matter do not accept.")
        raw = raw[3:]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        notes.append(f"{path.name}: not UTF-8 (byte {error.start}); what cannot be read is replaced.")
        text = raw.decode("utf-8", errors="replace")
    if "\r" in text:
        notes.append(f"{path.name}: has Windows line ends.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parsed(name: str, lines: tuple[str, ...], start: int, end: int, notes: list[str]) -> tuple[Node | None, tuple[Value, ...]]:
    import yaml

    # Blank lines stand for what came before, so that YAML's line numbers are those of the file.
    text = "\n" * start + "\n".join(lines[start:end])
    try:
        head = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or "not YAML"
        found = _salvaged(lines[start:end], start)
        how = "its language lines were read one by one" if found else "nothing was read from it"
        notes.append(f"{name}{where}: the front matter is not valid YAML ({reason}); {how}.")
        return None, found
    if head is None or not isinstance(head, yaml.MappingNode):
        notes.append(f"{name}: the front matter holds no keys.")
        return None, ()
    return head, ()


def _salvaged(lines: tuple[str, ...], start: int) -> tuple[Value, ...]:
    """Return the values of `language:` in a front matter that YAML cannot read: on its line, or the list below it."""
    found: list[Value] = []
    inside = False
    for number, line in enumerate(lines, start=start + 1):
        key, item = _KEY.fullmatch(line), _ITEM.fullmatch(line)
        if key:
            inside = not key[2].strip()
            found += [Value(part.strip(" '\""), number) for part in key[2].strip("[] ").split(",") if part.strip()]
        elif inside and item:
            found.append(Value(item[1].strip(" '\""), number))
        elif line.strip():
            inside = False
    return tuple(found)


def child(node: Node | None, key: str) -> Node | None:
    """Return the value of `key` of a YAML mapping; None where the node is none or lacks it."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if isinstance(name, yaml.ScalarNode) and name.value == key), None)


def sequence(node: Node | None) -> list[Node]:
    """Return the entries of a YAML list; a single mapping stands for a list of one."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [node] if isinstance(node, yaml.MappingNode) else []


def text_of(node: Node | None) -> str:
    """Return a YAML scalar as it is written, "" for null and for anything else."""
    import yaml

    if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
        return ""
    return str(node.value).strip()


def values_of(node: Node | None) -> Iterator[Value]:
    """Yield the scalars of a YAML value, in order: of a string, a list, a list of lists; of a mapping its keys."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        if text_of(node):
            yield Value(text_of(node), node.start_mark.line + 1, node.tag.endswith(":bool"))
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from values_of(entry)
    elif isinstance(node, yaml.MappingNode):
        for name, _ in node.value:
            yield from values_of(name)
