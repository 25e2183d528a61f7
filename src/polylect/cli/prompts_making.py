"""What the three commands of `polylect prompts` share: progress, closing the model, and the table at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits
    from polylect.models.interface import Model

__all__ = ["limits", "opened", "progress_line", "show", "tags"]


def tags(value: str | None) -> list[str]:
    """Return the tags of a comma-separated list."""
    return [tag.strip() for tag in (value or "").split(",") if tag.strip()]


def limits(max_in_flight: int | None) -> Limits:
    """Return the engine's limits."""
    from polylect.models.engine import Limits

    return Limits(in_flight=max_in_flight)


@contextmanager
def opened(spec: str) -> Iterator[Model]:
    """Open a model, and close it afterwards."""
    import asyncio

    from polylect.models.spec import open_model

    model = open_model(spec)
    try:
        yield model
    finally:
        asyncio.run(model.close())


@contextmanager
def progress_line() -> Iterator[Callable[[Counts], None]]:
    """Show the engine's counts in one line on the terminal."""
    from rich.console import Console

    with Console(stderr=True).status("Asking") as status:
        yield lambda counts: status.update(str(counts))


def show(manifest: Mapping[str, Any], out: Path, as_json: bool) -> None:
    """Print what was made per language and why rows were rejected, or the manifest as JSON."""
    if as_json:
        click.echo(json.dumps(manifest, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    rows = manifest["rows"]
    ended = manifest.get("languages", {})
    table = Table(title_justify="left")
    for heading in ("language", "prompts", "rejected", *(["ended with"] if ended else []), "most frequent reason"):
        table.add_column(heading, justify="right" if heading in {"prompts", "rejected"} else "left", overflow="fold")
    for language in sorted({*rows["made_by_language"], *rows["rejected_by_language"], *ended}):
        reasons = rows["rejected_by_language"].get(language, {})
        most = max(reasons, key=lambda reason: (reasons[reason], reason), default="")
        table.add_row(
            language,
            f"{rows['made_by_language'].get(language, 0):,}",
            f"{sum(reasons.values()):,}",
            *([ended[language]["ended"] if language in ended else ""] if ended else []),
            f"{most} ({reasons[most]:,})" if most else "",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    asked = manifest["requests"]
    console.print(
        f"{rows['made']:,} prompts, {rows['rejected']:,} rejected; {asked.get('asked', 0):,} requests, "
        f"{asked.get('reused', 0):,} answers reused, {asked.get('failed', 0):,} failed, {asked['seconds']:,} s"
        + (f", ${asked['cost']:,.2f}" if asked["cost"] else "")
    )
    console.print(f"Written to {out}")
