"""Dated lexicons: terms of a language with who collected them and when, and a scorer that looks for them.

A lexicon is a text file with a header, or a table (or a folder of either):

    # language: xx
    # date: 2024-05-31
    # source: who collected it
    # stale_after: 180
    a term per line

A table has the columns `term language date source`, maybe `weight` in [0, 1].
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from polylect import languages
from polylect.errors import DataError, LanguageError, nearest
from polylect.languages.scripts import SPACELESS
from polylect.safety.attacks.pieces import pieces
from polylect.safety.drift.dated import DatedSet, as_date
from polylect.safety.drift.samples import Sample
from polylect.safety.drift.scorers import Scored, share_in
from polylect.safety.folder import digest
from polylect.safety.rows import SUFFIXES, rows_of

__all__ = ["LexiconScorer", "Term", "read_lexicon"]

_HEADER = ("language", "date", "source", "stale_after")


@dataclass(frozen=True)
class Term:
    """A term of a lexicon; `weight` in [0, 1] is the toxicity of a text that has it."""

    text: str
    language: str
    date: date | None
    source: str
    weight: float = 1.0
    stale_after: int | None = None


class LexiconScorer:
    """Scores a sample with the highest weight of the terms that it has, 0 where it has none; case does not count.

    It knows what people wrote down: harm without a listed word scores 0, a listed word in a quotation or another sense scores
    like harm. It abstains in languages without a term.

    Raises:
        DataError: the lexicon cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.fingerprint = digest(path) or ""
        terms = read_lexicon(path)
        self.sets: Sequence[DatedSet] = _sets(terms)
        self._terms: dict[str, dict[str, float]] = defaultdict(dict)
        for term in terms:
            own = self._terms[term.language]
            key = _plain(term.text, term.language)
            own[key] = max(term.weight, own.get(key, 0.0))
        self._most = {tag: max(len(term.split()) for term in own) for tag, own in self._terms.items()}

    def score(self, samples: Sequence[Sample]) -> list[Scored]:
        """Return one score per sample."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Scored:
        terms = self._terms.get(sample.language)
        if terms is None:
            return Scored(None, f"no terms of the lexicon in {sample.language}")
        text = _plain(sample.text, sample.language)
        # Without spaces a term is found anywhere in the text, else as whole words.
        if languages.get(sample.language).script in SPACELESS:
            return Scored(max((weight for term, weight in terms.items() if term in text), default=0.0))
        words = text.split()
        runs = (
            " ".join(words[start : start + size])
            for size in range(1, self._most[sample.language] + 1)
            for start in range(len(words) - size + 1)
        )
        return Scored(max((terms[run] for run in runs if run in terms), default=0.0))


def read_lexicon(path: Path) -> list[Term]:
    """Read a lexicon: a text file with a header, a table, or a folder of these.

    Raises:
        DataError: it cannot be read, a header line or a column is missing or unknown, a language is unknown, or it has no terms.
    """
    if not path.exists():
        raise DataError(f"{path}: no such lexicon. Give a word list (.txt), a table, or a folder of these.")
    files = sorted(file for file in path.iterdir() if file.suffix in (".txt", *SUFFIXES)) if path.is_dir() else [path]
    found = [term for file in files for term in (_text(file) if file.suffix == ".txt" else _table(file))]
    if not found:
        raise DataError(f"{path}: no terms. Give a lexicon that has some (docs/safety-drift.md).")
    return found


def _text(path: Path) -> Iterator[Term]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Give a UTF-8 text file.") from error
    header: dict[str, str] = {}
    terms = []
    for number, line in enumerate(lines, start=1):
        name, colon, value = line.lstrip("# ").partition(":")
        if not line.startswith("#"):
            terms += [line.strip()] if line.strip() else []
        elif colon and name.strip() not in _HEADER:
            known = ", ".join(_HEADER)
            raise DataError(f"{path}, line {number}: unknown {name.strip()!r}.{nearest(name.strip(), _HEADER)} Known: {known}.")
        elif colon:
            header[name.strip()] = value.strip()
    yield from (_term(path, header, term) for term in terms)


def _term(path: Path, header: dict[str, str], text: str) -> Term:
    if "language" not in header:
        raise DataError(f"{path}: the header does not say the language. Begin the file with a line '# language: TAG'.")
    try:
        tag = languages.canonical(header["language"])
    except LanguageError as error:
        raise DataError(f"{path}: {error}") from error
    day = as_date(header["date"], str(path)) if header.get("date") else None
    most = header.get("stale_after", "")
    if most and not most.isdecimal():
        raise DataError(f"{path}: stale_after {most!r} is no number of days.")
    return Term(text, tag, day, header.get("source") or path.stem, stale_after=int(most) if most else None)


def _table(path: Path) -> Iterator[Term]:
    for row in rows_of(path):
        day = row.text("date")
        yield Term(
            row.required("term"),
            row.language(),
            as_date(day, f"{row.where}, column 'date'") if day else None,
            row.text("source") or path.stem,
            1.0 if row.text("weight") is None else share_in(row, "weight"),
        )


def _sets(terms: Sequence[Term]) -> list[DatedSet]:
    counts: dict[tuple[str, str, date | None, int | None], int] = defaultdict(int)
    for term in terms:
        counts[term.source, term.language, term.date, term.stale_after] += 1
    return [
        DatedSet(what="lexicon", source=source, language=language, date=day, size=size, stale_after=most)
        for (source, language, day, most), size in counts.items()
    ]


def _plain(text: str, language: str) -> str:
    """Return a text in the form in which terms are looked for: NFC, without case, words parted by single spaces."""
    text = unicodedata.normalize("NFC", text).casefold()
    if languages.get(language).script in SPACELESS:
        return text
    return " ".join(piece.text for piece in pieces(text) if piece.kind == "word")
