"""The command line as a user meets it: exit codes, one clear line for a mistake, a traceback only for our own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from polylect import __version__
from polylect.cli import main
from polylect.errors import EndpointError, RunError

ROOT = Path(__file__).parents[2]
RECIPE = {
    "name": "small",
    "languages": ["en", "tr"],
    "model": {"base": "gemma-3-270m"},
    "clusters": {"groups": {"west": ["tr"]}},
    "pool": {"west": {"kind": "cluster", "cluster": "west"}},
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small recipe in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path / "small.yaml"


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Call the command line; return exit code, output and errors."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Both print to the output and return 0; help names every command with its summary."""
    code, out, err = call(capsys, "--help")
    assert (code, err) == (0, "")
    for word in ("run ", "why ", "report ", "languages ", "train ", "polylect run recipes/quickstart.yaml"):
        assert word in out
    assert call(capsys, "--version") == (0, f"polylect, version {__version__}\n", "")
    for command in (["run"], ["why"], ["report"], ["languages"], ["train"], ["train", "trim"]):
        code, out, err = call(capsys, *command, "-h")
        assert (code, err) == (0, "")
        assert "Usage: polylect" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rnu"], "Error: no command 'rnu'. Did you mean 'run'?"),
        (["xyzzy"], "Error: no command 'xyzzy'. See polylect --help."),
        (["train", "trin"], "Error: no command 'trin'. Did you mean 'trim'?"),
        (["run"], "Error: Missing argument 'RECIPE'."),
        (["run", "small.yaml", "--dryrun"], "--dry-run"),
        (["run", "none.yaml"], "Error: none.yaml: no such recipe. Shipped ones lie in recipes/."),
        (["run", "small.yaml", "--set", "sft.stps=3"], "Error: small.yaml: unknown key 'sft.stps'. Did you mean 'steps'?"),
        (["run", "small.yaml", "--set", "seed=["], "Error: --set seed=[: the value is not valid YAML"),
        (["run", "small.yaml", "--set", "languages=[en, turkisch]"], "languages: 'turkisch' is not the tag of a known language."),
        (["run", "small.yaml", "--until", "artibrage"], "'artibrage': no step has this name or starts with it."),
        (["run", "small.yaml", "--force", "arbitrage/x"], "Did you mean 'arbitrage'?"),
        (["languages", "turkisch"], "Error: 'turkisch' is not the tag of a known language."),
        (["report", "nowhere"], "Error: nowhere: no run is in this folder"),
        (["report", "."], "Give one that `polylect run` wrote, such as runs/quickstart."),
        (["why", "nowhere", "sft"], "Error: nowhere: no run is in this folder"),
        (["why", ".", "sft", "--recipe", "none.yaml"], "Error: none.yaml: no such recipe"),
        (["why", ".", "sft/wst", "--recipe", "small.yaml"], "no step is named 'sft/wst'. Did you mean 'sft/west'?"),
        (["train", "trim", "gemma-3", "--languages", "tr", "--text", "small.yaml", "--out", "x"], "Error: "),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(
    recipe: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """A user's mistake returns 2; the last line on the error stream says it; no traceback, no output, nothing is made."""
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert says in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""
    assert [path.name for path in recipe.parent.iterdir()] == ["small.yaml"]


def test_missing_model_is_named(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model name that is nothing of the kind fails in its step with the nearest name, and the step's log is named."""
    code, out, err = call(capsys, "run", recipe, "--set", "model.base=gemma-3-270", "--until", "base")
    assert code == 2
    line = " ".join(err.splitlines()[-3:])
    assert "'gemma-3-270': no folder of that name" in " ".join(err.split())
    assert "Did you mean 'gemma-3-270m'?" in " ".join(err.split())
    assert "Traceback" not in err, line
    assert (recipe.parent / "runs" / "small" / "recipe.json").is_file()
    assert out == ""


def test_dry_run_makes_no_folder(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan of the paper's recipe is printed without its files and model, and nothing is written."""
    code, out, _ = call(capsys, "run", ROOT / "recipes" / "aya-expanse-8b.yaml", "--dry-run")
    assert code == 0
    assert "is not on this machine" in " ".join(out.split())
    assert [path.name for path in recipe.parent.iterdir()] == ["small.yaml"]


def test_languages_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`polylect languages tr --json` prints one JSON object and nothing else."""
    code, out, err = call(capsys, "languages", "tr", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert (facts["tag"], facts["iso639_3"], facts["native_name"]) == ("tr", "tur", "Türkçe")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (RunError("runs/x: in use."), 2, "Error: runs/x: in use.\n"),
        (EndpointError("http://x: no answer after 5 tries."), 3, "Error: http://x: no answer after 5 tries.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (KeyboardInterrupt("said already"), 130, ""),
    ],
)
def test_exit_codes(
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    says: str,
) -> None:
    """Each kind of end has its code; what the runner has said of an interrupt is not said twice."""
    from polylect.run import api

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "run", fail)
    found, _, err = call(capsys, "run", recipe)
    assert (found, err.lstrip("\n")) == (code, says)


def test_our_own_mistake_shows_its_traceback(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is not hidden: it reaches the interpreter, which prints it and returns 1."""
    from polylect.run import api

    monkeypatch.setattr(api, "run", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["run", str(recipe)])


@pytest.mark.parametrize("arguments", [["languages", "--json"], ["languages"], ["--help"]], ids=" ".join)
def test_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    """Output whose reader has gone, as in `polylect languages | head`, ends quietly with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "polylect", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) == 0


def test_interrupt_of_a_real_process() -> None:
    """Ctrl-C while a command works ends it with 130 and one line."""
    code = (
        "import sys, time\nfrom polylect.run import api\nfrom polylect.cli import main\n"
        "def wait(*_, **__):\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "api.run = wait\nsys.exit(main(['run', 'x.yaml']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.strip() == "Interrupted."
