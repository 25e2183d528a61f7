"""Reading rows from files and the hub: formats, layouts, and errors that say where and what."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import DataError, EvaluationError, LanguageError
from polylect.evaluate import benchmarks
from polylect.evaluate.task_types import Item

FIXTURES = Path(__file__).parent / "fixtures"


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a fixture."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def loaded(name: str, data: Path, languages: list[str] | None = None, **more: Any) -> list[Item]:
    """Load a set."""
    return list(benchmarks.get(name).load(data, languages, **more))


def plain(items: Sequence[Item]) -> list[tuple[Any, ...]]:
    """Return what does not hang on the place of the files."""
    return [(item.item, item.language, item.subset, item.text, item.options, item.answer) for item in items]


def test_every_format_and_layout_gives_the_same_items(tmp_path: Path) -> None:
    """JSON lines, Parquet shards, converted Parquet, CSV, TSV and JSON hold the same rows."""
    import polars as pl

    expected = plain(loaded("global-mmlu", FIXTURES / "global-mmlu", ["sw"]))
    rows = rows_of(FIXTURES / "global-mmlu/sw/test.jsonl")
    frame = pl.DataFrame(rows)
    for name in ("shards/sw", "converted/sw/test", "csv/data/sw", "tsv/sw", "json/test"):
        (tmp_path / name).mkdir(parents=True)
    frame[:2].write_parquet(tmp_path / "shards/sw/test-00000-of-00002.parquet")
    frame[2:].write_parquet(tmp_path / "shards/sw/test-00001-of-00002.parquet")
    frame.write_parquet(tmp_path / "converted/sw/test/0000.parquet")
    for kind, place, separator in (("csv", "csv/data/sw/test.csv", ","), ("tsv", "tsv/sw/test.tsv", "\t")):
        with (tmp_path / place).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
            writer.writeheader()
            writer.writerows(rows)
        assert plain(loaded("global-mmlu", tmp_path / kind)) == expected
    (tmp_path / "json/test/sw.json").write_text(json.dumps(rows), encoding="utf-8")
    for kind in ("shards", "converted", "json"):
        assert plain(loaded("global-mmlu", tmp_path / kind)) == expected


def test_rows_are_counted_over_shards(tmp_path: Path) -> None:
    """Row numbers serve as ids where a set has none: they go on from one shard to the next."""
    import polars as pl

    rows = rows_of(FIXTURES / "mgsm/en/test.jsonl")
    (tmp_path / "en").mkdir()
    for shard, part in enumerate((rows[:2], rows[2:])):
        pl.DataFrame(part, schema={"question": pl.String, "answer": pl.String, "answer_number": pl.Int64}).write_parquet(
            tmp_path / f"en/test-0000{shard}-of-00002.parquet"
        )
    assert [item.item for item in loaded("mgsm", tmp_path)] == ["test:0", "test:1", "test:2"]


def test_one_file_of_one_language() -> None:
    """A single file may be given with the one language that it is in."""
    file = FIXTURES / "xcopa/it/test.jsonl"
    assert [item.language for item in loaded("xcopa", file, ["it"])] == ["it", "it"]
    with pytest.raises(DataError, match="a single file be given with one language"):
        loaded("xcopa", file)


def test_other_splits_are_read_when_asked_for() -> None:
    """The development split is there, and a split that is not is named with those that are."""
    assert len(loaded("global-mmlu", FIXTURES / "global-mmlu", ["de"], split="dev")) == 10
    with pytest.raises(DataError, match="no file of the split 'devtest'; found files of eval, train"):
        loaded("xstorycloze", FIXTURES / "xstorycloze", split="devtest")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", 2, "row 2, column 'label': 2 is none of 0, 1"),
        ("label", "0", "row 2, column 'label': '0' is not a whole number"),
        ("label", True, "row 2, column 'label': True is not a whole number"),
        ("question", "reason", "row 2, column 'question': 'reason' is none of 'cause', 'effect'"),
        ("premise", " ", "row 2, column 'premise': ' ' is empty"),
        ("premise", ["a"], r"row 2, column 'premise': \['a'\] is not a text"),
        ("choice2", None, "row 2, column 'choice2': None is empty"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(column: str, value: Any, message: str, tmp_path: Path) -> None:
    """File, row, column and value stand in the message."""
    rows = rows_of(FIXTURES / "xcopa/sw/test.jsonl")
    rows[1][column] = value
    file = written(tmp_path / "sw/test.jsonl", rows)
    with pytest.raises(DataError, match=re.escape(str(file)) + ", " + message):
        loaded("xcopa", tmp_path)


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    """A renamed column is met with the name that was found."""
    rows = [
        {("lable" if key == "label" else key): value for key, value in row.items()}
        for row in rows_of(FIXTURES / "xcopa/sw/test.jsonl")
    ]
    written(tmp_path / "sw/test.jsonl", rows)
    with pytest.raises(DataError, match=r"column 'label' is missing; found .*'lable'.* Did you mean 'lable'"):
        loaded("xcopa", tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("test.jsonl", '{"premise": 1\n', "row 1: not valid JSON"),
        ("test.jsonl", "[1, 2]\n", "row 1: list found where a JSON object is expected"),
        ("test.parquet", "not parquet", "not a readable Parquet file"),
        ("test.csv", 'premise,choice1\n"a,b\n', "not readable as CSV"),
        ("test.csv", "premise,choice1\na\n", "row 1: not as many values as the header has columns"),
    ],
)
def test_files_that_cannot_be_read(name: str, text: str, message: str, tmp_path: Path) -> None:
    """A broken file is the user's to correct, without a traceback."""
    (tmp_path / "sw").mkdir()
    (tmp_path / "sw" / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        loaded("xcopa", tmp_path)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    """Another encoding is named as what it is not."""
    (tmp_path / "sw").mkdir()
    (tmp_path / "sw/test.jsonl").write_bytes('{"premise": "é"}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        loaded("xcopa", tmp_path)


def test_a_language_that_is_not_there() -> None:
    """A missing language is an error that lists those found; an unknown tag is one of its own."""
    with pytest.raises(DataError, match=r"no items of 'xcopa' in tr, vi \(split 'test'\); found it, sw, zh-Hans"):
        loaded("xcopa", FIXTURES / "xcopa", ["tr", "sw", "vi"])
    with pytest.raises(LanguageError, match="'swahilli' is not the tag of a known language"):
        loaded("xcopa", FIXTURES / "xcopa", ["swahilli"])
    with pytest.raises(DataError, match="no such file or folder"):
        loaded("xcopa", FIXTURES / "nowhere")


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    """A folder in a language that the table does not know is passed over, and said."""
    shutil.copytree(FIXTURES / "xcopa", tmp_path / "set")
    (tmp_path / "set/sw").rename(tmp_path / "set/klingon")
    skipped: Counter[str] = Counter()
    items = loaded("xcopa", tmp_path / "set", skipped=skipped)
    assert {item.language for item in items} == {"it", "zh-Hans"}
    assert sum(skipped.values()) == 1
    assert "names no known language" in next(iter(skipped))


def test_repeated_ids_stay_apart_and_are_counted(tmp_path: Path) -> None:
    """Two rows of one id in one file are both kept, the second with a number of its own."""
    rows = rows_of(FIXTURES / "global-mmlu/sw/test.jsonl")
    written(tmp_path / "sw/test.jsonl", [*rows, rows[0]])
    skipped: Counter[str] = Counter()
    items = loaded("global-mmlu", tmp_path, skipped=skipped)
    assert [item.item for item in items][-1] == "metallurgy/test/0#2"
    assert skipped == {"repeated id": 1}


def test_a_set_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Old and new copies side by side would count every item twice."""
    for name in ("sw/test.jsonl", "copy/sw/test.jsonl"):
        written(tmp_path / name, rows_of(FIXTURES / "global-mmlu/sw/test.jsonl"))
    with pytest.raises(DataError, match="The set seems to be there twice"):
        loaded("global-mmlu", tmp_path)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("sw", "sw"), ("swh_Latn", "sw"), ("jp", "ja"), ("North Macedonian", "mk"), ("bahasa_melayu", "ms"), ("kor_Hang", "ko"),
        ("xcopa_sw", "sw"), ("sw-test", "sw"), ("StoryClozeDataset_lighteval_zh", "zh-Hans"), ("my_quiz", None),
        ("klingon", None),
    ],
)  # fmt: skip
def test_names_of_languages(name: str, tag: str | None) -> None:
    """Codes, English names and pieces of file names are understood; a file of one's own is not taken for Burmese."""
    from polylect.evaluate.benchmarks.config_names import config_language

    assert config_language(name) == tag


def test_varieties_of_flores_are_not_the_language(tmp_path: Path) -> None:
    """FLORES+ has varieties beside languages: they are counted as not read, not mixed in."""
    shutil.copytree(FIXTURES / "flores-plus", tmp_path / "set")
    file = tmp_path / "set/devtest/swh_Latn.jsonl"
    shutil.copy(file, file.with_name("swh_Latn_mvit1234.jsonl"))
    skipped: Counter[str] = Counter()
    assert len(loaded("flores-200", tmp_path / "set", ["sw"], skipped=skipped)) == 4
    assert skipped["language 'swh_Latn_mvit1234' is not in the table of languages"] == 2


def test_options_in_no_form_are_named(tmp_path: Path) -> None:
    """INCLUDE has its options as a list or as four columns: a row with neither is an error."""
    rows = rows_of(FIXTURES / "include-base-44/Tagalog/test.jsonl")
    del rows[0]["choices"]
    written(tmp_path / "Tagalog/test.jsonl", rows)
    with pytest.raises(DataError, match="row 1, columns 'choices' or 'option_a' to 'option_d'"):
        loaded("include-base-44", tmp_path)


def test_arguments_that_do_not_fit_their_instructions(tmp_path: Path) -> None:
    """Two instructions need two mappings of arguments."""
    row = rows_of(FIXTURES / "marco-mif/data/ar.jsonl")[0]
    written(tmp_path / "ar.jsonl", [{**row, "kwargs": [{}]}])
    with pytest.raises(DataError, match=r"column 'kwargs': .* is not a list of 2 mappings"):
        loaded("marco-mif", tmp_path)


def test_a_blank_without_text_behind_it(tmp_path: Path) -> None:
    """XWinograd scores what stands behind the blank."""
    row = rows_of(FIXTURES / "xwinograd/test/en.jsonl")[0]
    written(tmp_path / "test/en.jsonl", [{**row, "sentence": "The kettle is _"}])
    with pytest.raises(DataError, match="has no blank"):
        loaded("xwinograd", tmp_path)


def test_without_a_connection_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to fetch the set where there is a connection, and how to give it."""
    import datasets

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "get_dataset_config_names", fail)
    with pytest.raises(DataError, match=r"hf download cambridgeltl/xcopa --repo-type dataset --local-dir DIR.*--data DIR"):
        list(benchmarks.get("xcopa").load())


def test_rows_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the configurations of the wanted languages are loaded, without any code of the repository."""
    import datasets

    asked: list[tuple[Any, ...]] = []

    def load_dataset(hub_id: str, config: str, **options: Any) -> list[dict[str, Any]]:
        asked.append((hub_id, config, options))
        return rows_of(FIXTURES / f"xcopa/{config}/test.jsonl")

    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda hub_id: ["it", "sw", "zh", "translation-it"])
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    items = list(benchmarks.get("xcopa").load("someone/xcopa", ["sw"]))
    assert plain(items) == plain(loaded("xcopa", FIXTURES / "xcopa", ["sw"]))
    assert asked == [("someone/xcopa", "sw", {"split": "test"})]
    assert items[0].where == "someone/xcopa:sw, row 1"


def test_a_benchmark_without_data_asks_for_it() -> None:
    """A set that is on no hub needs its data."""
    from dataclasses import replace

    with pytest.raises(EvaluationError, match="has no id on the hub"):
        list(replace(benchmarks.get("xcopa"), hub_ids=()).load())
