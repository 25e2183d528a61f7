"""The tutorial does what it says: its marked blocks are run from top to bottom in an empty folder."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_model import tutorial_rows, write_tiny_model
from tutorial_blocks import Block, blocks, matches

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
MODEL = "gemma-3-270m"
"""Stands in the tutorial's recipe; the test puts a tiny model of its own in its place, and changes nothing else."""


class Reader:
    """Somebody who follows the page: writes its files, types its commands, runs its Python in one session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}

    def follow(self, block: Block) -> str:
        """Carry out one block and return what it printed."""
        if block.mark == "file":
            if not (self.folder / "tiny").exists():
                write_tiny_model(tutorial_rows(self.folder / "data"), self.folder / "tiny")
            (self.folder / block.name).write_text(block.text.replace(MODEL, "./tiny"), encoding="utf-8")
            return ""
        return self.python(block) if block.language == "python" else self.shell(block)

    def python(self, block: Block) -> str:
        """Run Python in the session of the blocks before."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, f"{PAGE.name}, line {block.line}", "exec"), self.names)  # noqa: S102
        return printed.getvalue()

    def shell(self, block: Block) -> str:
        """Run commands; they must end as the page says."""
        ran = subprocess.run(
            ["bash", "-ec", block.text],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == block.exit_code, f"{PAGE.name}, line {block.line}: exit code {ran.returncode}\n{ran.stdout}"
        return ran.stdout


@pytest.mark.slow
def test_every_marked_block_runs_and_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who types the tutorial's commands gets its results, with a tiny model in the place of the bundled one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    reader, printed = Reader(tmp_path), ""
    for block in blocks(PAGE):
        if block.mark == "output":
            assert matches(block.text, printed), f"{PAGE.name}, line {block.line}: the output is now\n{printed}"
        else:
            printed = reader.follow(block)
    assert (tmp_path / "runs" / "sums" / "report.html").is_file()


def test_the_tutorial_has_blocks_of_every_mark() -> None:
    """The test above would pass on a page without marks; there are some of each."""
    marks = [block.mark for block in blocks(PAGE)]
    assert marks.count("run") > 10
    assert marks.count("output") > 5
    assert marks.count("file") == 1


def test_an_output_that_differs_is_seen() -> None:
    """`…` stands for any text and nothing else is forgiven."""
    assert matches("made … in … s\nend", "made today in 3 s  \nend\n")
    assert not matches("made … in … s\nend", "made today in 3 s\nend.")
