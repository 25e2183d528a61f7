"""`polylect train trim`, as a user types it."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from polylect.cli.trim import command
from polylect.errors import DataError, LanguageError, ModelError
from polylect.models import describe
from polylect.train.trim_texts import UNDETERMINED, read_texts

MODEL = "smollm2-135m-instruct"
TURKISH = ["Türkiye'nin başkenti Ankara'dır.", "İstanbul en kalabalık şehirdir.", "Bugün hava çok güzel, dışarı çıkalım."]
SWAHILI = ["Mji mkuu wa Kenya ni Nairobi.", "Leo hali ya hewa ni nzuri sana.", "Watoto wanasoma vitabu shuleni kila siku."]


def trim(*arguments):
    """Run the command and let errors through."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def files(tmp_path):
    """The same sentences as plain lines, JSON lines and Parquet."""
    (tmp_path / "tr.txt").write_text("\n".join(TURKISH), encoding="utf-8")
    rows = [{"language": "tr", "prompt": text, "references": ["Ankara"]} for text in TURKISH]
    rows += [{"language": "sw", "prompt": text, "references": []} for text in SWAHILI]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    pl.DataFrame({"text": SWAHILI, "language": ["sw"] * 3}).write_parquet(tmp_path / "sw.parquet")
    return tmp_path


def test_several_files_after_one_option(files):
    """--text FILE FILE takes both; the table names each language and what was left out."""
    out = files / "out"
    result = trim(MODEL, "--languages", "tr", "--text", files / "tr.txt", files / "rows.jsonl", "--out", out)
    assert result.exit_code == 0
    assert "All 4 texts give the same tokens as before." in result.output
    assert "Left out, language not asked for: sw 3" in result.output
    assert describe(out)["vocabulary"] < 1000


def test_json_report(files):
    """--json prints the report alone, as JSON."""
    out = files / "out"
    result = trim(
        MODEL, "--languages", "sw,tr", "--text", files / "rows.jsonl", "--text", files / "sw.parquet", "--out", out, "--json"
    )
    report = json.loads(result.output)
    assert {row["language"]: row["texts"] for row in report["languages"]} == {"sw": 3, "tr": 4}
    assert report["rows_after"] == describe(out)["vocabulary"]


def test_lines_of_several_languages_are_identified(files):
    """Lines without a language are sorted by identification; none is lost."""
    (files / "mixed.txt").write_text("\n".join([*TURKISH, *SWAHILI, "12 + 5"]), encoding="utf-8")
    found = read_texts([files / "mixed.txt"], ["tr", "sw"]).by_language
    assert set(TURKISH) == set(found["tr"])
    assert sum(map(len, found.values())) == 7
    assert "12 + 5" in found[UNDETERMINED]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", "a", r"'\.csv' is not read here"),
        ("x.jsonl", '{"text": "a"}\n{"texts": "b"}', r"x\.jsonl, row 2: none of the columns text"),
        ("x.jsonl", '{"text": 5}', r"x\.jsonl, row 1, column 'text': 5 is not a text"),
        ("x.jsonl", '{"text": "a", "language": "xx"}', r"row 1, column 'language': 'xx'"),
        ("x.jsonl", "{", r"x\.jsonl, row 1: not valid JSON"),
        ("x.parquet", "nothing", "not a readable Parquet file"),
        ("x.txt", "\n\n", "no text in tr"),
    ],
)
def test_bad_file_is_named(tmp_path, name, content, says):
    """Each kind of bad input is one line with file, row and column."""
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=says):
        read_texts([tmp_path / name], ["tr"])


def test_bad_arguments(files):
    """An unknown language, a missing file and an unknown model are each named."""
    with pytest.raises(LanguageError, match="'xx'"):
        trim(MODEL, "--languages", "xx", "--text", files / "tr.txt", "--out", files / "out")
    with pytest.raises(DataError, match=r"none\.txt: no such file"):
        trim(MODEL, "--languages", "tr", "--text", files / "none.txt", "--out", files / "out")
    with pytest.raises(ModelError, match="no bundled model"):
        trim("smol", "--languages", "tr", "--text", files / "tr.txt", "--out", files / "out")
    assert not (files / "out").exists()
