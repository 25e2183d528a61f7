"""`polylect survey`: which languages works study, and whether work on English alone says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.gap.cards import read_card
from polylect.gap.document import make_document
from polylect.gap.language_names import display_name
from polylect.gap.survey.files import Unread, decoded, find_files, shown
from polylect.gap.survey.naming import named_languages
from polylect.gap.survey.pdf import pdf_text, require_pdftotext
from polylect.gap.survey.practice import practice_of
from polylect.gap.survey.tallies import summary_of
from polylect.gap.survey.works import Work, bibtex_works, card_kind, jsonl_works, paper_work
from polylect.gap.tags import known_facts

__all__ = ["Studied", "gap_survey"]

_QUOTE = 160
_LINE = 200_000
_LIST = 3
_ENGLISH = "en"
_STUDY = re.compile(
    r"\b(?:we|our|ours|this (?:paper|work|study)|data ?sets?|corp(?:us|ora)|experiments?|evaluat\w+|train\w*|annotat\w+|"
    r"test sets?|collect\w+|results?|participants?|benchmark\w*|limit\w*|languages)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“(])")
_NOTES = (
    "A language counts as studied where the title or the abstract names it as a language; in a paper's body where two sentences "
    "on what was done name it, or one that lists three languages; English where one does. Related work, references and "
    "acknowledgements are not read.",
    "silent: work about language that names none. It is presumed to be on English, which it may not be; the share of "
    "English-only work that says so is out of english_said and silent (Bender 2019).",
    "Languages never named are those of `polylect languages` that no document here names.",
)


@dataclass(frozen=True)
class Studied:
    """A work and the languages that it names: tag -> (part, mentions, quote, line)."""

    work: Work
    practice: str
    languages: dict[str, tuple[str, int, str, int]]


def gap_survey(paths: Sequence[str | Path], *, pdf: bool = True, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Survey papers, abstracts and cards.

    Args:
        paths: files (.txt, .md, .tex, .pdf, .bib, .jsonl) or folders of them.
        pdf: whether PDFs are read; else they are counted as unread.
        progress: called with the number of works read.

    Returns:
        A document of kind "survey" (`polylect.gap.document`); see docs/survey.md for its fields.

    Raises:
        DataError: a path is missing or of no known kind, nothing could be read, or `pdftotext` is not installed and needed.
    """
    unread: list[Unread] = []
    read = []
    for work in _works([Path(path) for path in paths], unread, pdf=pdf):
        read.append(_studied(work))
        if progress is not None:
            progress(len(read))
    if not read:
        raise DataError(f"{', '.join(map(str, paths))}: no paper, abstract or card could be read. {_reasons(unread)}")
    rows = [row for one in read for row in _rows(one)]
    return make_document("survey", rows, summary_of(read, unread), list(_NOTES))


def _works(paths: Sequence[Path], unread: list[Unread], *, pdf: bool) -> Iterator[Work]:
    program = None
    for file, kind in find_files(paths, unread):
        name = shown(file)
        if kind == "jsonl":
            yield from _table(file, name, unread)
            continue
        if kind != "pdf":
            text = decoded(file, unread)
        elif not pdf:
            text = None
            unread.append(Unread(name, "a PDF, left out"))
        else:
            program = program or require_pdftotext()
            text, reason = pdf_text(file, program)
            if reason:
                unread.append(Unread(name, reason))
        if text is not None:
            yield from bibtex_works(text, name, unread) if kind == "bibtex" else _texts(text, file, kind, unread)


def _texts(text: str, file: Path, kind: str, unread: list[Unread]) -> Iterator[Work]:
    """Yield a card or a paper."""
    found = card_kind(text, file.name) if file.suffix.lower() in {".md", ".markdown"} and kind == "text" else None
    if found is None:
        yield paper_work(text, file, shown(file))
        return
    title = next((line.strip("# ").strip() for line in text.split("\n") if line.startswith("# ")), file.parent.name)
    yield Work(shown(file), shown(file), found, title[:300], None, None, (("body", text, 1),), file)


def _table(file: Path, name: str, unread: list[Unread]) -> Iterator[Work]:
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            yield from jsonl_works(_lines(lines), name, unread)
    except OSError as error:
        unread.append(Unread(name, f"cannot be opened ({error.strerror})"))


def _lines(file: Any) -> Iterator[str]:
    """Yield lines; of one that is too long only the beginning, which is no JSON object."""
    while line := file.readline(_LINE + 2):
        rest = line
        while not rest.endswith("\n") and (rest := file.readline(_LINE)):
            pass
        yield line


def _studied(work: Work) -> Studied:
    languages = _of_card(work, work.path) if work.path is not None else _of_prose(work)
    return Studied(work, practice_of(work.text, languages, kind=work.kind), languages)


def _of_card(work: Work, path: Path) -> dict[str, tuple[str, int, str, int]]:
    """Return the languages that a card names on any level of the evidence ladder."""
    found: dict[str, tuple[str, int, str, int]] = {}
    for one in read_card(path, work.source).evidence:
        part = "metadata" if one.kind == "front matter" else "body"
        before = found.get(one.language)
        found[one.language] = (before[0], before[1] + 1, *before[2:]) if before else (part, 1, one.quote, one.line or 1)
    return found


def _of_prose(work: Work) -> dict[str, tuple[str, int, str, int]]:
    found: dict[str, tuple[str, int, str, int]] = {}
    certain: set[str] = set()
    for part, text, line in work.parts:
        for sentence in _sentences(text) if part == "body" else [text]:
            if part == "body" and not _STUDY.search(sentence):
                continue
            named = named_languages(sentence)
            sure = part != "body" or len({one.tags for one in named}) >= _LIST
            for one in named:
                quote = _quote(sentence, one.start, one.end)
                for tag in one.tags:
                    certain |= {tag} if sure or tag == _ENGLISH or tag in found else set()
                    before = found.get(tag)
                    found[tag] = (before[0], before[1] + 1, *before[2:]) if before else (part, 1, quote, line)
    return {tag: one for tag, one in found.items() if tag in certain}


def _sentences(text: str) -> Iterator[str]:
    begin = 0
    for found in _SENTENCE.finditer(text):
        yield text[begin : found.start()]
        begin = found.end()
    yield text[begin:]


def _quote(text: str, start: int, end: int) -> str:
    """Return the words around a name, in at most 160 characters."""
    begin = max(0, min((start + end) // 2 - _QUOTE // 2, len(text) - _QUOTE))
    return " ".join(text[begin : begin + _QUOTE].split())


def _rows(one: Studied) -> Iterator[dict[str, Any]]:
    """Yield a row per language; one without a language where none is named."""
    work = one.work
    head = {
        "document": work.document, "source": work.source, "kind": work.kind, "title": work.title, "year": work.year,
        "venue": work.venue, "practice": one.practice,
    }  # fmt: skip
    named: list[tuple[str | None, tuple[str | None, int, str | None, int | None]]] = [*sorted(one.languages.items())]
    for tag, (part, mentions, quote, line) in named or [(None, (None, 0, None, None))]:
        yield head | {
            "language": tag,
            "name": display_name(tag) if tag else None,
            **known_facts(tag, "script", "family", "resource_class", "speakers"),
            "part": part, "mentions": mentions, "quote": quote, "line": line,
        }  # fmt: skip


def _reasons(unread: Sequence[Unread]) -> str:
    counted = Counter(one.reason for one in unread)
    first = {one.reason: one.source for one in reversed(unread)}
    listed = "; ".join(f"{number}: {reason} ({first[reason]})" for reason, number in counted.most_common(5))
    return f"Not read: {listed}." if listed else "Files end in .txt, .md, .tex, .pdf, .bib or .jsonl."
