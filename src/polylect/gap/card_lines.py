"""The text of a model card as units: sentences, list items and table cells, each with its section and what introduces it.

Left out before anything is read: code blocks, comments, addresses, and sections that say how to use or cite the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Unit", "units_of"]

_LONGEST = 4000
_MOST_PEERS = 100
_WIDEST = 200
"""Cells of a row. A wider row is read as several, so that its cells do not each carry all the others."""
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_RULE = re.compile(r"[\s:|-]+")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+(.*)")
_SENTENCE = re.compile(r"(?<=[.!?])[\"”)]?\s+(?=[A-Z\"“(*])")
_BOLD_HEADING = re.compile(r"\*\*([^*]{2,60}?):?\*\*:?")
_SKIPPED = re.compile(
    r"\b(?:usage|how to|quick ?start|get(?:ting)? started|examples?|citation|bibtex|cite|contact|authors?|license|licence|"
    r"terms|acknowledge?ments?|references|install\w*|inference|prompt (?:format|template)|chat template|hardware|software)\b",
    re.IGNORECASE,
)
_CELL = re.compile(r"<t[dh][^>]*>(.*?)(?=<t[dh]\b|</t[dh]>|</tr>|$)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Unit:
    """A sentence, list item or table cell, and its line (1-based).

    `kind` is "sentence", "item", "cell" or "heading". `section` holds the headings above it, the outermost first; `intro` is the
    sentence before a list ("The model supports:") or, for a cell, the table's header. `peers` are the items of its list or the
    cells of its row and column, itself among them. A cell has the title of its `column` and its whole `row` as text,
    and for tables of pipes the titles of all columns (`head`) and the cells of its row (`cells`).
    """

    text: str
    line: int
    kind: str
    section: tuple[str, ...]
    intro: str = ""
    peers: tuple[str, ...] = ()
    starts: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    column: str = ""
    row: str = ""
    head: tuple[str, ...] = field(default=(), repr=False)
    cells: tuple[str, ...] = field(default=(), repr=False)

    def line_at(self, offset: int) -> int:
        """Return the line of a character of `text`: a sentence may run over several lines."""
        return max((line for start, line in self.starts if start <= offset), default=self.line)


def units_of(lines: Sequence[str], body: int) -> Iterator[Unit]:
    """Yield the units of a card's text, in order.

    Args:
        lines: all lines of the file.
        body: 0-based line where the text begins.
    """
    section: list[tuple[int, str]] = []
    intro = ""
    for kind, block in _blocks(_cleaned(lines[body:]), body + 1):
        if kind == "heading":
            level, title = block[0][1].split(" ", 1)
            section = [one for one in section if one[0] < len(level)] + [(len(level), title)]
            intro = ""
            yield Unit(title, block[0][0], "heading", tuple(title for _, title in section[:-1]))
            continue
        titles = tuple(title for _, title in section)
        if any(_SKIPPED.search(title) for title in titles):
            continue
        if kind == "table":
            yield from _cells(block, titles, intro)
        elif kind == "list":
            yield from _items(block, titles, intro)
        else:
            found = list(_sentences(block, titles))
            yield from found
            intro = found[-1].text if found else ""


def _cleaned(lines: Sequence[str]) -> list[str]:
    """Blank out code, comments and addresses; the number of lines stays."""
    text = "\n".join(lines)
    text = re.sub(r"^(```|~~~).*?^\1", _blank, text, flags=re.DOTALL | re.MULTILINE)
    for opening, closing in (("<!--", "-->"), ("<style", "</style>"), ("<pre", "</pre>")):
        text = _without(text, opening, closing)
    # Lengths are bounded, so that a hostile line of brackets costs no more than its length.
    text = re.sub(r"!\[[^\]\n]{0,500}\]\([^)\n]{0,500}\)", "", text)
    text = re.sub(r"\[([^\]\n]{0,500})\]\([^)\n]{0,500}\)", r"\1", text)
    text = re.sub(r"\bhttps?://\S+", "", text)
    text = re.sub(r"`[^`\n]{25,}`", "", text)
    return text.split("\n")


def _without(text: str, opening: str, closing: str) -> str:
    """Blank out what stands between two marks; one that is never closed stays."""
    parts, at = [], 0
    while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
        parts += [text[at:start], "\n" * text.count("\n", start, end)]
        at = end + len(closing)
    return "".join([*parts, text[at:]])


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _blocks(lines: Sequence[str], first: int) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Yield (kind, numbered lines) of headings, tables, lists and paragraphs."""
    kind = ""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=first):
        found = _kind(line, kind)
        if found == "heading" or found != kind or not found:
            if block:
                yield kind, block
            kind, block = found, []
        if found == "heading":
            heading = _HEADING.fullmatch(line.strip())
            title = (heading[1], heading[2]) if heading else ("######", line.strip().strip("*: "))
            yield "heading", [(number, " ".join(title))]
            kind = ""
        elif found:
            block.append((number, line))
    if block:
        yield kind, block


def _kind(line: str, before: str) -> str:
    text = line.strip()
    if not text:
        return ""
    if _HEADING.fullmatch(text) or _BOLD_HEADING.fullmatch(text):
        return "heading"
    if text.count("|") >= 2 or re.search(r"</?t(?:able|r|d|h|head|body)\b", text, re.IGNORECASE):
        return "table"
    if _ITEM.fullmatch(line):
        return "list"
    # A line that goes on with an item.
    return "list" if before == "list" and line[:1] in " \t" else "text"


def _plain(text: str) -> str:
    return re.sub(r"<[^<>]{1,300}>", " ", text).replace("**", "").replace("__", "").replace("&amp;", "&").strip(" *")


def _sentences(block: Sequence[tuple[int, str]], section: tuple[str, ...]) -> Iterator[Unit]:
    text = ""
    starts: list[tuple[int, int]] = []
    for number, line in block:
        starts.append((len(text), number))
        text += _plain(line) + " "
    begin = 0
    for piece in _ends(text):
        sentence = text[begin:piece]
        if sentence.strip():
            inside = tuple((start - begin, number) for start, number in starts if start < piece)
            first = max((number for start, number in inside if start <= 0), default=block[0][0])
            yield Unit(sentence, first, "sentence", section, starts=inside)
        begin = piece


def _ends(text: str) -> Iterator[int]:
    """Yield where sentences end; one that is longer than any sentence is cut at its blanks."""
    begin = 0
    for end in [*(found.end() for found in _SENTENCE.finditer(text)), len(text)]:
        while end - begin > _LONGEST:
            begin = max(text.rfind(" ", begin + 1, begin + _LONGEST), begin + _LONGEST // 2)
            yield begin
        yield end
        begin = end


def _items(block: Sequence[tuple[int, str]], section: tuple[str, ...], intro: str) -> Iterator[Unit]:
    """Yield an item's text; one of several sentences is told as sentences."""
    items: list[list[tuple[int, str]]] = []
    for number, line in block:
        found = _ITEM.fullmatch(line)
        if found:
            items.append([(number, found[1])])
        elif items:
            items[-1].append((number, line))
    peers = tuple(_plain(" ".join(text for _, text in item)) for item in items[:_MOST_PEERS])
    lead = intro if intro.rstrip().endswith((":", "：")) else ""
    for item in items:
        for found_unit in _sentences(item, section):
            yield Unit(found_unit.text, found_unit.line, "item", section, lead, peers, found_unit.starts)


def _cells(block: Sequence[tuple[int, str]], section: tuple[str, ...], intro: str) -> Iterator[Unit]:
    """Yield the cells of a table, of pipes or HTML; `intro` is the sentence above it and its first row."""
    whole = [(number, [_plain(cell) for cell in _row(line)]) for number, line in block if not _RULE.fullmatch(line)]
    rows = [(number, part) for number, cells in whole for part in _chunks(cells) if any(part)]
    lead = intro if intro.rstrip().endswith((":", "：")) else ""
    header = f"{lead} {' | '.join(rows[0][1])}" if rows else ""
    html = any("<t" in line.lower() for _, line in block)
    first = [cells for _, cells in rows[:_MOST_PEERS]]
    # Cells that span rows move those of the next rows: in HTML every cell of the table is a peer.
    every = [cell for cells in first for cell in cells][: 10 * _MOST_PEERS]
    columns = [[cells[at] for cells in first if at < len(cells)] for at in range(max(map(len, first), default=0))]
    titles = () if html or not rows else tuple(rows[0][1])
    for number, cells in rows:
        row, own = " | ".join(cells)[:_LONGEST], () if html else tuple(cells)
        for at, cell in enumerate(cells):
            near = every if html else [*cells[:_MOST_PEERS], *(columns[at] if at < len(columns) else ())]
            head = rows[0][1][at] if at < len(rows[0][1]) and not html else ""
            if cell:
                yield Unit(
                    cell, number, "cell", section, header, tuple(dict.fromkeys(near)), (), head, row, titles, own,
                )  # fmt: skip


def _chunks(cells: list[str]) -> Iterator[list[str]]:
    return (cells[at : at + _WIDEST] for at in range(0, len(cells), _WIDEST))


def _row(line: str) -> list[str]:
    if "<t" in line.lower() or "</t" in line.lower():
        return [found[1] for found in _CELL.finditer(line)]
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
