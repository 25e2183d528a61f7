"""Parallel text: the declaration in the package, and tables of the user."""

from __future__ import annotations

import csv
import json
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polylect.errors import DataError, LanguageError
from polylect.gap import corpus as corpus_module
from polylect.gap import load
from polylect.gap.scripts import script_of
from polylect.gap.tags import canonical_tag, known_language
from polylect.gap.words import has_words, words

ROWS = [
    {"item": "1", "language": "en", "text": "All are born free."},
    {"item": "2", "language": "en", "text": "No one is a slave."},
    {"item": "1", "language": "tur", "text": "Herkes özgür doğar."},
    {"item": "2", "language": "tur", "text": "Kimse köle değildir."},
]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_declaration_has_over_440_languages_each_under_one_tag() -> None:
    """Every language has 20 to 30 distinct articles in normal form C, under a tag that is canonical, in a known script."""
    corpus = load()
    assert len(corpus.versions) >= 440
    for tag, version in corpus.versions.items():
        assert canonical_tag(tag) == tag
        assert 20 <= len(version.texts) <= 30
        assert len(set(version.texts.values())) == len(version.texts), tag
        assert all(text and unicodedata.is_normalized("NFC", text) for text in version.texts.values()), tag
        assert version.script not in {"Zzzz", "Zyyy"}, tag


def test_what_the_package_mislabels_is_not_in_the_declaration() -> None:
    """Kurmanji under the tag of Sorani, files of fragments and files without a language are left out, with a reason each."""
    corpus = load()
    assert {"ckb", "ckb-Latn", "lia", "wwa", "lah", "und"} & set(corpus.versions) == set()
    text = resources.files("polylect.gap").joinpath("data", "udhr-audit.csv").read_text(encoding="utf-8")
    audit = list(csv.DictReader(text.splitlines()))
    dropped = {line["file"]: line["reason"] for line in audit if line["change"] == "file left out"}
    assert {"ckb", "lia", "pnb", "wwa"} <= set(dropped)
    assert sum("no tag" in reason for reason in dropped.values()) == 10
    assert len(dropped) + len(corpus.versions) == 532
    assert all(line["reason"] for line in audit)


def test_scripts_are_those_of_the_text() -> None:
    """The script is detected from the letters: Chakma, Tai Tham and Grantha too; Han in its two forms comes from the tag."""
    scripts = {tag: version.script for tag, version in load().versions.items()}
    expected = {
        "en": "Latn", "sr-Cyrl": "Cyrl", "zh-Hans": "Hans", "zh-Hant": "Hant", "ja": "Jpan", "ko": "Kore", "am": "Ethi",
        "ccp": "Cakm",
        "kkh-Lana": "Lana", "sa-Gran": "Gran", "ii": "Yiii", "fuf-Adlm": "Adlm", "jv-Java": "Java", "blt": "Tavt", "iu": "Cans",
    }  # fmt: skip
    assert {tag: scripts[tag] for tag in expected} == expected


def test_abridged_articles_are_left_out_and_said_so() -> None:
    """A language of which articles were dropped has a note with their number."""
    version = load(languages=["umb"]).versions["umb"]
    assert len(version.texts) < 30
    assert any("missing or of odd length" in note for note in version.notes)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_table_of_the_user_is_read_in_three_forms(tmp_path: Path, ending: str) -> None:
    """Items stay texts, tags become canonical, texts are brought to normal form C."""
    rows = [{**row, "item": f"00{row['item']}", "text": unicodedata.normalize("NFD", row["text"])} for row in ROWS]
    path = tmp_path / f"parallel{ending}"
    frame = pl.DataFrame(rows)
    {".jsonl": frame.write_ndjson, ".csv": frame.write_csv, ".parquet": frame.write_parquet}[ending](path)
    corpus = load(path)
    assert corpus.languages == ("en", "tr")
    assert corpus.versions["tr"].texts == {"001": "Herkes özgür doğar.", "002": "Kimse köle değildir."}
    assert corpus.rows == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "  "}, "row 3, column 'text': empty"),
        ({"item": ""}, "row 3, column 'item': empty"),
        ({"language": "en"}, "item '1' in 'en' is there already"),
        ({"text": "x" * (corpus_module.LARGEST_TEXT + 1)}, "row 3, column 'text': 1,048,577 bytes"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    """An empty or repeated item and a book in one cell are refused with file, row and column."""
    rows = [*ROWS[:2], {**ROWS[2], **change}, ROWS[3]]
    with pytest.raises(DataError, match=message):
        load(jsonl(tmp_path / "parallel.jsonl", rows))


@pytest.mark.parametrize("tag", ["Turkish", "x", "en-US-", "tr_TR_#", "und", "12", "zh-Hansss-"])
def test_a_tag_that_is_no_tag_is_named_with_its_row(tmp_path: Path, tag: str) -> None:
    """A name or a malformed tag is refused; the message says where it is and what a tag looks like."""
    rows = [*ROWS[:3], {**ROWS[3], "language": tag}]
    with pytest.raises(LanguageError, match=r"row 4, column 'language': .* is not a BCP-47 tag"):
        load(jsonl(tmp_path / "parallel.jsonl", rows))


def test_tags_beyond_the_reviewed_table_are_kept_in_canonical_case() -> None:
    """A well-formed tag need not be known; one that is known becomes the table's."""
    assert canonical_tag("TZM_tfng") == "tzm-Tfng"
    assert canonical_tag("de-1901") == "de-1901"
    assert canonical_tag("zho_Hant") == "zh-Hant"
    assert known_language("quz") is None
    tr = known_language("tr")
    assert tr is not None
    assert tr.name == "Turkish"


def test_a_table_of_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    """The size is checked before a byte is read (a sparse file: nothing is stored)."""
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(DataError, match=r"2\.1 GB of text; a parallel table may have 0\.5 GB"):
        load(path)


def test_a_packed_table_is_measured_by_what_it_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small Parquet file of much text is refused by the size in its metadata."""
    path = tmp_path / "packed.parquet"
    rows = [{"item": str(n), "language": "en", "text": f"{n} " + "word " * 2000} for n in range(200)]
    pl.DataFrame(rows).write_parquet(path, compression="zstd")
    monkeypatch.setattr(corpus_module, "LARGEST_TABLE", 1_000_000)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match="GB of text"):
        load(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "no such table"),
        ("table.txt", "x", "'.txt' is not known"),
        ("table.jsonl", '{"item": "1", "lang": "en", "text": "x"}\n', "column 'language' is missing; found item, lang, text"),
        ("table.parquet", "not parquet", "not a readable Parquet file"),
        ("table.csv", "item,language,text\n", "has no rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    """A missing, unknown, damaged or empty table says what is expected."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        load(path)


def test_a_table_without_the_reference_names_the_option(tmp_path: Path) -> None:
    """Nothing can be compared without the reference; another can be named."""
    path = jsonl(tmp_path / "parallel.jsonl", ROWS[2:])
    with pytest.raises(DataError, match=r"no text in 'en'.*--reference"):
        load(path)
    assert load(path, reference="tr").languages == ("tr",)


def test_mixed_scripts_are_noted(tmp_path: Path) -> None:
    """A text half in another script says so: its numbers are of neither."""
    rows = [*ROWS[:2], {**ROWS[2], "text": "Herkes свободен"}, {**ROWS[3], "text": "Kimse рабство"}]
    version = load(jsonl(tmp_path / "parallel.jsonl", rows)).versions["tr"]
    assert any(note.startswith("mixed scripts: 5") for note in version.notes), version.notes
    assert any("the language table has Latn" in note for note in version.notes)


def test_script_of_a_text() -> None:
    """Kana makes Han Japanese, Hangul makes it Korean, digits have no script."""
    assert script_of("日本語のテキスト") == ("Jpan", 1.0)
    assert script_of("漢字")[0] == "Hani"
    assert script_of("한국어 漢字")[0] == "Kore"
    assert script_of("12 34!") == ("Zyyy", 1.0)
    assert script_of("ᨠᩣ")[0] == "Lana"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, it’s 3 pm.", ["Don't", "stop", "it’s", "3", "pm"]),
        ("हिन्दी में शब्द।", ["हिन्दी", "में", "शब्द"]),
        ("ሰላም፡ለዓለም።", ["ሰላም", "ለዓለም"]),
        ("می‌خواهم بروم", ["می‌خواهم", "بروم"]),
        ("... !", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Words keep their vowel signs and joiners; Ethiopic's word space separates."""
    assert [word.group() for word in words(text)] == expected


def test_scripts_without_spaces_have_no_words() -> None:
    """Chinese, Japanese, Thai, Khmer, Lao, Burmese and Tibetan have none; Korean has."""
    assert not any(has_words(script) for script in ("Hans", "Hant", "Hani", "Jpan", "Thai", "Khmr", "Laoo", "Mymr", "Tibt"))
    assert all(has_words(script) for script in ("Latn", "Kore", "Ethi", "Deva"))
