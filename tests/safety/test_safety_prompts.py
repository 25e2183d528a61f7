"""Prompt sets: the published columns, our own, and what is said of rows that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from lantern_world import SETS, prompt_rows, write_lines

from polylect.errors import DataError
from polylect.safety import load_prompts, read_prompts, write_prompts


def test_aya_red_teaming_is_read_from_a_folder_of_a_file_per_language() -> None:
    """Several categories per prompt, global or local, languages by English name; the letters tell the script of Serbian."""
    found = read_prompts(SETS / "aya_redteaming")
    assert (found.name, found.kind) == ("aya-redteaming", "aya")
    first = found.prompts[0]
    assert (first.language, first.scope, first.origin, first.harmful) == ("en", "global", "native", True)
    assert first.categories == ("bullying-harassment", "hate-speech")
    assert first.reference is not None
    assert [prompt.language for prompt in found.prompts[3:]] == ["sr-Latn", "sr-Cyrl"]
    assert found.skipped == {"without a prompt": 1}


@pytest.mark.parametrize(
    ("given", "text", "tag"),
    [
        ("srp", "Napiši pesmicu.", "sr-Latn"),
        ("srp", "Напиши песмицу.", "sr-Cyrl"),
        ("sr-Cyrl", "Napiši.", "sr-Cyrl"),
        ("Filipino", "Sumulat ng tula.", "fil"),
        ("arb", "اكتب قصيدة.", "ar"),
        ("Chinese", "写一首诗。", "zh-Hans"),
    ],
)
def test_languages_go_by_name_or_code_and_letters(given: str, text: str, tag: str, tmp_path: Path) -> None:
    """A name or code without a script is settled by the text; a tag that names its script is believed."""
    row = {"prompt": text, "language": given, "harm_category": "[]", "global_or_local": "global", "literal_translation": ""}
    assert load_prompts(write_lines(tmp_path / "aya.jsonl", [row]))[0].language == tag


def test_an_unknown_category_is_counted_with_the_nearest_known_one() -> None:
    """A category that the published set does not have stays, and a note names it."""
    found = read_prompts(SETS / "aya_redteaming")
    assert found.prompts[2].categories == ("hat-speech",)
    assert found.notes == (
        "1 prompts have the category 'hat-speech', which Aya red-teaming does not have. Did you mean 'hate-speech'? It is kept "
        "as a category of its own.",
    )


def test_multijail_has_a_column_per_language() -> None:
    """The rows of one id are one item in ten languages, English native; `id` is no language; empty cells are counted."""
    found = read_prompts(SETS / "multijail.csv")
    item = [prompt for prompt in found.prompts if prompt.item == "multijail:0"]
    assert [prompt.language for prompt in item] == ["en", "zh-Hans", "it", "vi", "ar", "ko", "th", "bn", "sw", "jv"]
    assert {prompt.origin for prompt in item[1:]} == {"human-translation"}
    assert item[0].categories == ("secrets-handshakes", "clubs")
    assert found.skipped == {"without a prompt": 7}


def test_xstest_has_safe_prompts_and_their_contrasts() -> None:
    """Safe prompts are harmless, contrasts harmful; both are of the same type."""
    found = load_prompts(SETS / "xstest.csv")
    assert [prompt.harmful for prompt in found] == [False, False, True]
    assert found[0].categories == found[2].categories == ("homonyms",)


def test_our_own_columns_survive_every_format(lanterns: Path, tmp_path: Path) -> None:
    """The same table as JSON lines, Parquet and CSV gives the same prompts."""
    first = load_prompts(lanterns)
    rows = prompt_rows()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / "lanterns.parquet")
    flat = [{**row, "categories": ";".join(row["categories"] or [])} for row in rows]
    pl.DataFrame(flat, infer_schema_length=None).write_csv(tmp_path / "lanterns.csv")
    assert load_prompts(tmp_path / "lanterns.parquet") == first
    assert load_prompts(tmp_path / "lanterns.csv") == first
    assert first[0].categories == ("secrets",)
    assert (first[0].twin, first[0].harmful, first[0].harm_kept) == ("fine-0", True, None)


def test_written_prompts_are_read_as_they_were(lanterns: Path, tmp_path: Path) -> None:
    """Every column of a prompt survives writing and reading, a line break and other scripts in it too."""
    prompts = [replace(one, text=f"{one.text}\n\u2028ليلى") for one in load_prompts(lanterns)]
    assert load_prompts(write_prompts(tmp_path / "again.jsonl", prompts)) == prompts


def test_a_missing_twin_is_counted(tmp_path: Path) -> None:
    """A twin that the table lacks, and one that lacks the language, are notes with the first names."""
    rows = [row for row in prompt_rows(2, ("en", "fr")) if (row["item"], row["language"]) != ("fine-0", "fr")]
    rows = [row for row in rows if row["item"] != "fine-1"]
    assert read_prompts(write_lines(tmp_path / "p.jsonl", rows)).notes == (
        "2 prompts name a twin that the table does not have: harm-1 (en), harm-1 (fr). They count alone, not as a pair.",
        "1 prompts name a twin that lacks their language: harm-0 (fr). They count alone, not as a pair.",
    )


def test_harmful_prompts_without_a_category_are_counted(tmp_path: Path) -> None:
    """Where some prompts have categories, those without are said to be uncategorised."""
    rows = prompt_rows(2, ("en",))
    rows[0]["categories"] = None
    notes = read_prompts(write_lines(tmp_path / "p.jsonl", rows)).notes
    assert notes == ("1 harmful prompts have no category: harm-0. They are counted as 'uncategorised'.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "frr"}, r"row 1, column 'language': 'frr' is not the tag of a known language"),
        ({"scope": "globl"}, r"row 1, column 'scope': 'globl' is none of global, local. Did you mean 'global'\?"),
        ({"origin": "robot"}, r"row 1, column 'origin': 'robot' is none of native, human-translation"),
        ({"harmful": "maybe"}, r"row 1, column 'harmful': 'maybe' is neither true nor false"),
        ({"item": None}, r"row 1: column 'item' is missing or empty"),
        ({"item": "harm-1"}, r"item 'harm-1' in en: 2 prompts; an item has one prompt per language"),
        ({"harmful": False}, r"item 'harm-0' in en: its twin 'fine-0' is harmless, too"),
        ({"prompt": ["x"]}, r"row 1, column 'prompt': \"\['x'\]\" is not a text"),
    ],
)
def test_rows_that_break_a_rule_are_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    """A message names the file, the row, the column, the value and the rule."""
    rows = prompt_rows(2, ("en",))
    rows[0] |= change
    with pytest.raises(DataError, match=message):
        read_prompts(write_lines(tmp_path / "p.jsonl", rows))


def test_tables_that_are_no_prompt_set_are_refused(tmp_path: Path) -> None:
    """Unknown columns, an unknown kind, a missing file, an unreadable format and a table without prompts say what is wanted."""
    with pytest.raises(DataError, match=r"the columns a, b are those of no known set"):
        read_prompts(write_lines(tmp_path / "p.jsonl", [{"a": 1, "b": 2}]))
    with pytest.raises(DataError, match=r"'multijal' is no kind of prompt set. Did you mean 'multijail'\?"):
        read_prompts(SETS / "multijail.csv", "multijal")
    with pytest.raises(DataError, match="no such table"):
        read_prompts(tmp_path / "absent.csv")
    (tmp_path / "p.txt").write_text("x")
    with pytest.raises(DataError, match=r"'.txt' files are not read"):
        read_prompts(tmp_path / "p.txt")
    with pytest.raises(DataError, match="no prompts; 1 rows without a prompt"):
        read_prompts(write_lines(tmp_path / "q.jsonl", [{"item": "a", "language": "en", "prompt": ""}]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the folder holds no .parquet"):
        read_prompts(tmp_path / "empty")
