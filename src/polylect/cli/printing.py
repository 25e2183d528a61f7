"""What several commands print in the same words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_found", "print_json"]


def print_json(content: Any) -> None:
    """Print what came out, for programs."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def print_found(console: Console, found: str, what: str, done: str = "asked") -> None:
    """Say that a command found its folder "unfinished" or "finished"; nothing of a new one (found is "")."""
    if found:
        console.print(f"Went on with an unfinished {what}." if found == "unfinished" else f"Finished before; nothing was {done}.")
