"""What the three commands of `polylect prompts` share: progress, closing the model, and the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.options import limits_of
from polylect.cli.printing import print_json

if TYPE_CHECKING:
    from polylect.models.engine import Counts
    from polylect.models.interface import Model
    from polylect.models.requests import Sampling

__all__ = ["asked", "engine_options", "opened", "progress_line", "sampling_options", "show"]

_Command = Callable[..., Any]


def sampling_options(temperature: float, seed: str) -> Callable[[_Command], _Command]:
    """Add the options about a model that writes prompts; `temperature` is the default, `seed` the help of --seed."""

    def add(command: _Command) -> _Command:
        for option in (
            click.option("--seed", default=0, show_default=True, help=seed),
            click.option(
                "--temperature", default=temperature, show_default=True, type=click.FloatRange(min=0), help="Of sampling."
            ),
            click.option("--max-tokens", default=1024, show_default=True, type=click.IntRange(min=1), help="Of an answer."),
            click.option(
                "--templates", metavar="YAML", type=click.Path(path_type=Path), help="Instructions by language: TAG: text."
            ),
        ):
            command = option(command)
        return command

    return add


def engine_options(command: _Command) -> _Command:
    """Add the options about the store, the engine and what is printed."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON."),
        click.option("--max-in-flight", type=click.IntRange(min=1), help="Most requests at a time. Default: found out."),
        click.option(
            "--store", metavar="FILE", type=click.Path(path_type=Path), help="Store of answers to share with other runs."
        ),
    ):
        command = option(command)
    return command


def asked(sampling: Sampling, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as arguments of the function that asks: in place of their parts `sampling`, as changed, and `limits`."""
    parts = ("max_tokens", "temperature", "seed")
    rest = {name: value for name, value in options.items() if name not in {*parts, "max_in_flight"}}
    return {
        **rest,
        "sampling": replace(sampling, **{name: options[name] for name in parts}),
        "limits": limits_of(options["max_in_flight"]),
    }


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
        print_json(manifest)
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
