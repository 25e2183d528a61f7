"""The help texts on the pages of docs/commands, made by the commands themselves.

`python tests/docs/command_help.py` writes them again after an option was added.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from polylect.cli import main

FOLDER = Path(__file__).parents[2] / "docs" / "commands"
_HELP = re.compile(r"(?<=<!-- help: )([a-z -]+) -->\n```text\n.*?^```$", re.DOTALL | re.MULTILINE)


def help_of(command: str) -> str:
    """Return what `polylect COMMAND --help` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main([*command.split(), "--help"])
    assert code == 0, command
    return printed.getvalue()


def with_help(text: str) -> str:
    """Return a page with its help text made anew."""
    return _HELP.sub(lambda found: f"{found[1]} -->\n```text\n{help_of(found[1])}```", text)


def commands_on(text: str) -> list[str]:
    """Return the commands whose help text a page shows."""
    return [found[1] for found in _HELP.finditer(text)]


if __name__ == "__main__":
    for page in sorted(FOLDER.glob("*.md")):
        page.write_text(with_help(page.read_text(encoding="utf-8")), encoding="utf-8")
