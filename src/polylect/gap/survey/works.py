"""Works from files: entries of BibTeX and JSON lines, papers as text, model and dataset cards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.gap.survey.files import Unread, shown

__all__ = ["Work", "bibtex_works", "card_kind", "jsonl_works", "paper_work"]

_FIELD = re.compile(r"[\s,]*+([A-Za-z_-]+)\s*=\s*")
_ENTRY = re.compile(r"@([A-Za-z]++)\s*+[{(]\s*+([^,\s{}()]*+)\s*+,")
_LONGEST = 200_000
_VENUES = ("venue", "booktitle", "journal", "conference", "publisher")
_YEARS = ("year", "date", "published", "publication_year")
_YEAR = re.compile(r"\b(19[5-9]\d|20\d\d)\b")
_ANTHOLOGY = re.compile(r"(20\d\d)\.([a-z0-9]+)-[a-z0-9]+\.\d+")
_ARXIV = re.compile(r"(?<!\d)([0-2]\d)(0[1-9]|1[0-2])\.\d{4,5}(?:v\d+)?")
_PROCEEDINGS = re.compile(r"\b(?:Proceedings of|Transactions of|Findings of)[^\n]{0,150}")
_SECTION = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*\.?\s+|[IVX]{1,4}\.\s+|#{1,4}\s*)?([A-Z][A-Za-z ,&:-]{2,60})")
_SKIPPED = re.compile(
    r"(?:related work|previous work|prior work|background|references|bibliography|acknowledge?ments?|author contributions|"
    r"future work|funding|appendix [b-z]\b)", re.IGNORECASE,
)  # fmt: skip
_ENDS = re.compile(r"(?:references|bibliography)", re.IGNORECASE)
_BARE = re.compile(r"[\w.-]*")
_MARK = re.compile(r'(?<!\\)[{}"]')
_LATEX = re.compile(r"\\[a-zA-Z]+\s*|[{}$~]")


@dataclass(frozen=True)
class Work:
    """A paper, abstract or card.

    `parts` are (name, text, first line) with names "title", "abstract" and "body"; `path` is the file of a card.
    """

    document: str
    source: str
    kind: str
    title: str
    year: int | None
    venue: str | None
    parts: tuple[tuple[str, str, int], ...]
    path: Path | None = None

    @property
    def text(self) -> str:
        """Return all its text."""
        return "\n".join(text for _, text, _ in self.parts)


def bibtex_works(text: str, source: str, unread: list[Unread]) -> Iterator[Work]:
    """Yield the entries of a BibTeX file; one without title and abstract, or that never ends, is listed as unread."""
    at, line, counted = 0, 1, 0
    while entry := _ENTRY.search(text, at):
        at = entry.end()
        if entry[1].lower() in {"comment", "string", "preamble"}:
            continue
        fields, at = _fields(text, entry.end())
        line, counted = line + text.count("\n", counted, entry.start()), entry.start()
        if work := _from_fields(fields, entry[2] or f"{source}:{line}", source, line):
            yield work
        else:
            unread.append(Unread(f"{source}:{line}", "an entry without title and abstract"))


def jsonl_works(lines: Iterator[str], source: str, unread: list[Unread]) -> Iterator[Work]:
    """Yield the objects of a JSON-lines file; what is none, or has neither title nor abstract, is listed as unread."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line) if len(line) <= _LONGEST else None
        except (ValueError, RecursionError):
            # Thousands of brackets inside each other are no entry either.
            row = None
        where = f"{source}:{number}"
        if not isinstance(row, dict):
            unread.append(Unread(where, "not a JSON object, or too long"))
            continue
        fields = {str(key).lower(): str(value) for key, value in row.items() if isinstance(value, (str, int))}
        key = next((fields[one] for one in ("id", "key", "doi", "paper_id", "acl_id") if fields.get(one)), where)
        if work := _from_fields(fields, shown(key), source, number):
            yield work
        else:
            unread.append(Unread(where, "an entry without title and abstract"))


def paper_work(text: str, path: Path, name: str) -> Work:
    """Return a paper read from plain text: its title, its abstract, and those sections that tell what was done."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if len(line.strip()) > 5), 0)
    title = lines[first].strip("# ").strip()[:300]
    start = next((i for i, line in enumerate(lines[:400]) if re.match(r"\W{0,4}abstract\b", line, re.IGNORECASE)), None)
    # A file that holds an abstract alone has no title.
    title = "" if first == start else title
    parts = [("title", title, first + 1)] if title else []
    body_at = first + 1
    if start is not None:
        end = _abstract_end(lines, start)
        parts.append(("abstract", re.sub(r"^\W{0,4}abstract\W*", "", " ".join(lines[start:end]), flags=re.IGNORECASE), start + 1))
        body_at = end
    parts += [("body", body, line) for body, line in _body(lines, body_at)]
    year, venue = _dated(path.name, "\n".join(lines[:120]))
    return Work(name, name, "paper", title, year, venue, tuple(parts))


def card_kind(text: str, name: str) -> str | None:
    """Return "model card" or "dataset card" for a README or a text with front matter of the hub, else None."""
    head = re.match(r"\s*---[ \t]*\n(.{0,20000}?)\n---[ \t]*(?:\n|$)", text, re.DOTALL)
    keys = set(re.findall(r"^([a-z_-]+):", head[1], re.MULTILINE)) if head else set()
    if keys & {"dataset_info", "annotations_creators", "task_categories", "size_categories", "configs", "source_datasets"}:
        return "dataset card"
    if keys & {"pipeline_tag", "base_model", "library_name", "model-index", "license", "language", "tags", "datasets"}:
        return "model card"
    return "model card" if name.lower() == "readme.md" else None


def _from_fields(fields: Mapping[str, Any], key: str, source: str, line: int) -> Work | None:
    title, abstract = (_plain(fields.get(name) or "") for name in ("title", "abstract"))
    if not title and not abstract:
        return None
    year = next((int(found[0]) for name in _YEARS if (found := _YEAR.search(fields.get(name) or ""))), None)
    venue = next((_plain(fields[name]) for name in _VENUES if fields.get(name)), None)
    parts = tuple((name, text, line) for name, text in (("title", title), ("abstract", abstract)) if text)
    return Work(key, source, "abstract", title, year, venue, parts)


def _plain(text: str) -> str:
    """Return a field without LaTeX commands and braces, on one line."""
    return " ".join(_LATEX.sub("", shown(text).replace("\\&", "&").replace("--", "–")).split())


def _fields(text: str, at: int) -> tuple[dict[str, str], int]:
    """Return the fields of an entry whose key ends at `at`, and where it ends."""
    fields: dict[str, str] = {}
    while found := _FIELD.match(text, at):
        value, at = _value(text, found.end())
        fields.setdefault(found[1].lower(), value)
    return fields, at


def _value(text: str, at: int) -> tuple[str, int]:
    """Return a value in braces, quotes or none, and where it ends; one that never closes is cut at the next entry."""
    opening = text[at : at + 1]
    if opening not in {"{", '"'}:
        bare = _BARE.match(text, at)
        return (bare[0], bare.end()) if bare else ("", at)
    following = text.find("\n@", at, at + _LONGEST)
    limit = min(at + _LONGEST, len(text)) if following < 0 else following
    depth = 0
    for mark in _MARK.finditer(text, at, limit):
        depth += {"{": 1, "}": -1}.get(mark[0], 0)
        closed = depth == 0 if opening == "{" else mark[0] == '"' and depth == 0 and mark.start() > at
        if closed:
            return text[at + 1 : mark.start()], mark.end()
    return "", limit


def _abstract_end(lines: list[str], start: int) -> int:
    """Return the line where an abstract ends: the first heading behind it, or 60 lines."""
    for i in range(start + 1, min(len(lines), start + 60)):
        line = lines[i].strip()
        if re.fullmatch(
            r"(?:#{1,4}\s*)?(?:(?:\d|I)\.?\s+)?(?:introduction|keywords?.*|index terms.*|ccs concepts.*)", line, re.IGNORECASE
        ):
            return i
        if line.startswith("#") and i > start + 1:
            return i
    return min(len(lines), start + 60)


def _body(lines: list[str], at: int) -> Iterator[tuple[str, int]]:
    """Yield the paragraphs of those sections that tell what was done; references end the paper."""
    skipped, begin = False, at
    block: list[str] = []
    for i in range(at, len(lines)):
        line = lines[i].strip()
        heading = _SECTION.fullmatch(line) if len(line) < 70 and not line.endswith(".") else None
        if heading:
            if _ENDS.fullmatch(heading[1].strip()):
                break
            if _SKIPPED.match(heading[1]) or line[:1].isdigit() or line.startswith("#"):
                skipped = bool(_SKIPPED.match(heading[1]))
        if not line or heading or len(block) > 80:
            if block and not skipped:
                yield " ".join(block), begin + 1
            block, begin = [], i + 1
        if line and not heading:
            block.append(line)
    if block and not skipped:
        yield " ".join(block), begin + 1


def _dated(name: str, head: str) -> tuple[int | None, str | None]:
    """Return year and venue as the name of the file (ACL Anthology, arXiv) or its first lines give them."""
    if found := _ANTHOLOGY.search(name):
        return int(found[1]), found[2].upper()
    venue = _PROCEEDINGS.search(head)
    year = _YEAR.search(venue[0]) if venue else None
    if venue and year:
        return int(year[0]), " ".join(venue[0].split()).rstrip(".,")
    if found := _ARXIV.search(name):
        return 2000 + int(found[1]), "arXiv"
    return None, None
