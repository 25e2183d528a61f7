"""`polylect arbitrage` and `polylect generate` as a user calls them: fakes by pool file, and a real endpoint on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polylect import tables
from polylect.cli import main
from polylect.records import Completion, Example

POOL = """
members:
  west:
    spec: fake:good?quality.en=0.9&quality.tr=0.2&known={prompts}
    price: {{input: 1, output: 2}}
    licence: Apache-2.0
    may_train: true
  east:
    spec: fake:good?quality.en=0.2&quality.tr=0.9&known={prompts}
    price: {{input: 1, output: 4}}
    languages: [en, tr]
"""
STUB = Path(__file__).parents[1] / "models" / "stub_endpoint.py"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a prompt table, a pool of fakes and an arbiter."""
    texts = {"en": "How much is {0} plus {0}?", "tr": "{0} artı {0} kaç eder?"}
    rows = [
        {"item": f"sum:{n}", "language": tag, "text": text.format(n), "reference": str(2 * n)}
        for n in range(30)
        for tag, text in texts.items()
    ]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    (tmp_path / "pool.yaml").write_text(POOL.format(prompts=tmp_path / "prompts.jsonl"))
    (tmp_path / "arbiter.yaml").write_text("kind: verifiable\n")
    return tmp_path


def arguments(files: Path, *more: str, router: str = "reward") -> list[str]:
    """Return a command line over the files."""
    named = {"--prompts": "prompts.jsonl", "--pool": "pool.yaml", "--arbiter": "arbiter.yaml", "--out": "out"}
    return ["arbitrage", *(part for key, name in named.items() for part in (key, str(files / name))), "--router", router, *more]


def test_it_prints_who_is_good_at_what(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last lines say, per language, the reward, the cost and whose answers were taken, and why rows are missing."""
    assert main(arguments(files)) == 0
    printed = capsys.readouterr().out
    for text in (
        "language",
        "reward",
        "cost",
        "taken from",
        "completions  120",
        "sft          60",
        "margin too small",
        "Written to",
    ):
        assert text in printed
    assert main(arguments(files)) == 0
    assert "Finished before; nothing was asked." in capsys.readouterr().out


def test_the_page_is_written_and_written_again(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with the path of report.html; `polylect report` on the folder makes the same page anew."""
    assert main(arguments(files)) == 0
    page = files / "out" / "report.html"
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {page}"
    text = page.read_text(encoding="utf-8")
    assert "Whose answers were taken" in text
    page.unlink()
    assert main(["report", str(files / "out")]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text(encoding="utf-8") == text


def test_json_has_everything(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the output is one JSON document with manifest and routing."""
    assert main(arguments(files, "--json", "--router-set", "table={tr: east, default: west}", router="fixed")) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert summary["manifest"]["settings"]["router"]["table"] == {"tr": "east", "default": "west"}
    assert summary["routing"]["languages"]["tr"]["teachers"]["east"]["share"]["value"] == 1.0
    answers = Counter((row.language, row.model) for row in tables.read(files / "out" / "completions.parquet", Completion))
    assert answers == {("en", "west"): 30, ("tr", "east"): 30}


def test_options_reach_the_run(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Languages, held-out share, pairs and the like are settings of the manifest."""
    options = "--languages tr --heldout-share 0.2 --pairs none --max-tokens 12 --repeats off --seed 3 --json"
    assert main(arguments(files, *options.split(), "--stop", r"\n")) == 0
    settings = json.loads(capsys.readouterr().out)["manifest"]["settings"]
    assert (settings["languages"], settings["heldout_share"], settings["pairs"]) == (["tr"], 0.2, "none")
    assert settings["teachers"]["west"]["sampling"]["stop"] == ["\n"]
    assert {row.language for row in tables.read(files / "out" / "sft.parquet", Example)} == {"tr"}
    assert (files / "out" / "heldout.parquet").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--router-set", "probe"], "--router-set 'probe': not KEY=VALUE"),
        (["--budget", "tr=2eur"], "'eur' is no unit"),
        (["--languages", "xyzzy"], "xyzzy"),
        (["--arbiter", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    files: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's mistake ends with code 2 and one message; nothing was written."""
    assert main(arguments(files, *more)) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not (files / "out").exists()


def test_an_unknown_router_is_told_with_the_nearest(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt router names the one that was meant."""
    assert main(arguments(files, router="lerned")) == 2
    assert "Did you mean 'learned'?" in capsys.readouterr().err


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An OpenAI-compatible endpoint that fails now and then; yields its address."""
    faults = json.dumps({"500": 0.05, "malformed": 0.02})
    command = [sys.executable, str(STUB), "--latency", "0.005", "--faults", faults]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.communicate()


def test_generate_asks_an_endpoint(files: Path, endpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Every prompt gets the endpoint's answer, failures on the way are asked again, the one bad request is a row."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    with (files / "prompts.jsonl").open("a") as file:
        file.write(json.dumps({"item": "bad", "language": "en", "text": "Refuse me [400]"}) + "\n")
    command = [
        "generate",
        "--prompts",
        str(files / "prompts.jsonl"),
        "--model",
        f"served:{endpoint}#stub",
        "--max-in-flight",
        "16",
    ]
    assert main([*command, "--out", str(files / "answers")]) == 0
    assert "completions  61 (60 ok, 1 failed)" in capsys.readouterr().out
    rows = tables.read(files / "answers" / "completions.parquet", Completion)
    assert all(row.text.startswith("answer to stub: ") for row in rows if row.status == "ok")
    (bad,) = (row for row in rows if row.status == "failed")
    assert "400" in (bad.reason or "")
    content = b"".join(path.read_bytes() for path in (files / "answers").rglob("*") if path.is_file())
    assert b"sk-secret-of-the-test" not in content
