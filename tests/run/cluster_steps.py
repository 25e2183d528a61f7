"""Steps that make the inputs of steps whose models answer on a cluster; not a test module."""

from __future__ import annotations

from polylect import tables
from polylect.models import link_checkpoint
from polylect.records import Prompt
from polylect.run import Context


def prompts(context: Context) -> None:
    """Write four items in two languages."""
    rows = [
        Prompt(
            item=f"item {n}", language=tag, kind="k", split="prompt", text=f"{tag}: which month comes after month {n}?",
            references=("June",), source="here", licence="CC0-1.0",
        )
        for n in range(4)
        for tag in ("en", "tr")
    ]  # fmt: skip
    tables.write(context.out / "prompts.parquet", rows, Prompt)


def checkpoint(context: Context) -> None:
    """Give on the checkpoint of the path "model"."""
    link_checkpoint(context.paths["model"], context.out)
