"""`polylect prompts translate|ground|instruct`, as a user types them."""

import json
import sys
from types import SimpleNamespace

import polars as pl
import pytest
from click.testing import CliRunner

from polylect.cli.prompts_ground import command as ground
from polylect.cli.prompts_instruct import command as instruct
from polylect.cli.prompts_translate import command as translate
from polylect.errors import LanguageError, ModelError
from polylect.models import spec
from polylect.models.fakes import FakeModel

PASSAGE = "Nairobi ni mji mkuu wa Kenya. Ilianzishwa mwaka 1899 kama kituo cha reli ya Uganda."
QUESTION = json.dumps([{"question": "Mji mkuu wa nchi ya Kenya unaitwaje?", "answer": "Nairobi"}])
TASKS = (
    "1. Andika hadithi fupi kuhusu paka na mbwa.\n2. Eleza jinsi ya kupika wali na maharage.\n3. Write about the cat and the dog."
)


def run(command, *arguments):
    """Run a command and let errors through."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def says(monkeypatch):
    """Let every model spec open a model that always says the same."""

    def opened(text):
        monkeypatch.setattr(spec, "open_model", lambda name: FakeModel(name, known=lambda _: ("sw", text), licence="MIT"))

    return opened


@pytest.fixture
def swahili(tmp_path):
    """A table with one text."""
    path = tmp_path / "sw.jsonl"
    path.write_text(json.dumps({"language": "sw", "text": PASSAGE}))
    return path


def test_ground_makes_prompts(says, swahili, tmp_path):
    """The table shows the language with its numbers; the folder holds the prompts with their evidence."""
    says(QUESTION)
    result = run(ground, "--corpus", swahili, "--model", "any", "--out", tmp_path / "out", "--fewest", 20, "--languages", "sw,sw")
    assert result.exit_code == 0
    assert "1 prompts, 0 rejected; 1 requests, 0 answers reused" in result.stdout
    assert pl.read_parquet(tmp_path / "out" / "prompts.parquet")["evidence"].to_list() == [PASSAGE]


def test_instruct_says_how_it_ended(says, swahili, tmp_path):
    """The table names the budget where the tasks did not come together, and the most frequent reason."""
    says(TASKS)
    arguments = ("--seeds", swahili, "--model", "any", "--number", 5, "--budget", 2, "--out", tmp_path / "out")
    result = run(instruct, *arguments)
    assert result.exit_code == 0
    assert "budget" in result.stdout
    assert "wrong language (2)" in result.stdout
    manifest = json.loads(run(instruct, *arguments, "--json").stdout)
    assert manifest["languages"]["sw"] == {"requests": 2, "made": 2, "ended": "budget"}
    assert manifest["model"]["licence"] == "MIT"


def test_translate_goes_through_the_translator(monkeypatch, swahili, tmp_path):
    """The spec names the translator; JSON output is the manifest."""
    english = "Nairobi is the capital of Kenya. It was founded in the year 1899 as a station of the Uganda railway."
    translator = SimpleNamespace(name="words", translate=lambda texts, source, target: [english for _ in texts])
    monkeypatch.setitem(sys.modules, "polylect.models.translators", SimpleNamespace(translator=lambda spec: translator))
    arguments = (
        "--prompts",
        swahili,
        "--to",
        "en,sw",
        "--translator",
        "words",
        "--out",
        tmp_path / "out",
        "--keep-source",
        "--json",
    )
    manifest = json.loads(run(translate, *arguments).stdout)
    assert manifest["rows"]["made_by_language"] == {"en": 1, "sw": 1}
    assert set(pl.read_parquet(tmp_path / "out" / "prompts.parquet")["text"]) == {PASSAGE, english}
    with pytest.raises(LanguageError, match="'xx'"):
        run(translate, "--prompts", swahili, "--to", "xx", "--translator", "words", "--out", tmp_path / "out2")


def test_bad_arguments(swahili, tmp_path):
    """A model that is none and numbers out of range are the user's mistakes."""
    with pytest.raises(ModelError, match="'fakes' is no kind of model"):
        run(ground, "--corpus", swahili, "--model", "fakes:x", "--out", tmp_path / "out")
    result = run(instruct, "--seeds", swahili, "--model", "fake:good", "--number", 0, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.output
