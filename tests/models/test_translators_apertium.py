"""Apertium, really run: `apt-get install apertium apertium-eng-spa`."""

from __future__ import annotations

import shutil
import stat
import time
from pathlib import Path

import pytest

from polylect.errors import ModelError
from polylect.models.translators import Apertium, Failure, translator

installed = shutil.which("apertium") is not None and {"eng-spa", "spa-eng"} <= set(Apertium().modes)
needs_apertium = pytest.mark.skipif(not installed, reason="Apertium with English and Spanish is not installed")


@needs_apertium
def test_it_translates_between_english_and_spanish() -> None:
    """Known words come out in the other language, in both directions; tags may be of any spelling."""
    model = translator("apertium")
    assert model.translate(["The city is big.", "I live in London."], "en", "es") == [
        "La ciudad es grande.",
        "Vivo en Londres.",
    ]
    assert model.translate(["La casa es grande."], "spa", "en") == ["The house is big."]


@needs_apertium
def test_unknown_words_are_not_marked() -> None:
    """A word that the dictionary lacks stays as it is, without Apertium's star and the space behind it."""
    assert Apertium().translate(["The city is Zxqyville."], "en", "es") == ["La ciudad es Zxqyville."]


@needs_apertium
def test_lines_and_signs_keep_their_places() -> None:
    """Line breaks, blank lines, indentation and the signs of Apertium's own formats survive; blank texts come back."""
    texts = ["The house.\n\n  The city [1] is ^big$.\nThe *red* {house} \\ @ <b>", "", " \n ", "12 + 5"]
    assert Apertium().translate(texts, "en", "es") == [
        "La casa.\n\n  La ciudad [1] es ^grande$.\nLa *casa* {roja} \\ @ <b>",
        "",
        " \n ",
        "12 + 5",
    ]


@needs_apertium
def test_many_texts_take_few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """450 different lines are three calls of the program, and each line gets its own translation."""
    model = Apertium()
    calls: list[int] = []
    call = Apertium._call
    monkeypatch.setattr(Apertium, "_call", lambda self, arguments, text: (calls.append(1), call(self, arguments, text))[1])
    texts = [f"House {number} is big" for number in range(450)]
    found = model.translate(texts, "en", "es")
    assert len(calls) - 1 == 3  # one lists the directions
    assert found == [f"Casa {number} es grande" for number in range(450)]


@needs_apertium
def test_directions_that_are_not_installed_fail_with_a_reason() -> None:
    """A pair without data is the reason of each text."""
    assert Apertium().translate(["a", "b"], "en", "sw") == [Failure("apertium: en to sw is not installed")] * 2
    assert Apertium().mode("en", "es") == "eng-spa"


@needs_apertium
def test_fingerprint_is_stable() -> None:
    """Two translators with the same data have the same fingerprint."""
    assert Apertium().fingerprint == Apertium().fingerprint


def program(folder: Path, body: str) -> Apertium:
    """Return a translator whose program is a script that lists one direction and then does what `body` says."""
    path = folder / "apertium"
    path.write_text(f'#!/bin/sh\nif [ "$1" = -l ]; then echo "  eng-spa"; exit; fi\n{body}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Apertium(program=str(path), timeout=0.5)


def test_time_runs_out(tmp_path: Path) -> None:
    """A program that hangs on one line is ended with all that it started; the other lines are asked alone and translated."""
    model = program(tmp_path, 'text=$(cat); case "$text" in *slow*) sleep 60 | cat;; *) echo "$text";; esac')
    began = time.perf_counter()
    assert model.translate(["quick", "slow"], "en", "es") == ["quick", Failure("apertium eng-spa: no reply within 0.5 s")]
    assert time.perf_counter() - began < 10


def test_lines_that_are_lost_fail(tmp_path: Path) -> None:
    """When fewer lines come out than went in each is asked alone, and the one that is lost has a reason."""
    model = program(tmp_path, "grep -v lost || true")
    assert model.translate(["kept", "lost"], "en", "es") == ["kept", Failure("apertium eng-spa: 1 lines went in, 0 came out")]


def test_a_failing_program_is_quoted(tmp_path: Path) -> None:
    """The last line of what the program complains about is the reason."""
    model = program(tmp_path, "cat > /dev/null; echo out of memory >&2; exit 3")
    assert model.translate(["a"], "en", "es") == [Failure("apertium eng-spa: out of memory (exit code 3)")]


def test_a_missing_program_says_how_to_install_it() -> None:
    """Without the program the error names Debian's packages."""
    with pytest.raises(ModelError, match=r"no such program.*apt-get install apertium apertium-eng-spa"):
        Apertium(program="no-such-program")
