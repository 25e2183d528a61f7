"""What `polylect safety mix-or-merge` was last asked on a run: kept in the run folder, so that `polylect why` knows its steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from polylect.errors import PolylectError, RunError
from polylect.recipe import Recipe
from polylect.run.mix_or_merge_plan import plan_trade_off
from polylect.run.mix_or_merge_wanted import MixOrMerge, sources
from polylect.run.steps import Step
from polylect.safety.folder import write_json

__all__ = ["ASKED", "asked", "asked_steps", "save_asked"]

ASKED = "mix-or-merge.json"
"""File in a run folder, beside recipe.json: the options of the last call, with absolute paths."""


def save_asked(wanted: MixOrMerge, run: Path) -> None:
    """Write what is asked into the folder of a run, before any of its steps runs."""
    data = asdict(wanted)
    data["data"] = [str(path.absolute()) for path in wanted.tables]
    data["prompts"] = None if wanted.prompts is None else str(wanted.prompts.absolute())
    write_json(run / ASKED, data)


def asked(run: Path) -> MixOrMerge | None:
    """Return what was last asked on a run; None: nothing was.

    Raises:
        RunError: the file that says so cannot be read.
    """
    path = run / ASKED
    if not path.is_file():
        return None
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, PolylectError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}). The next `polylect safety mix-or-merge` on this run writes it anew."
        ) from error


def _read(data: dict[str, Any]) -> MixOrMerge:
    known = {field.name for field in fields(MixOrMerge)}
    lists: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in known
    }
    lists["data"] = tuple(Path(name) for name in data.get("data", ()))
    lists["prompts"] = None if data.get("prompts") is None else Path(data["prompts"])
    return MixOrMerge(**lists)


def asked_steps(recipe: Recipe, run: Path) -> Sequence[Step]:
    """Return the steps of the last call on a run, those of the recipe that they need among them; none where nothing was asked.

    Raises:
        RunError: the file that says what was asked cannot be read.
        DataError: safety data or prompts are no longer there.
        RecipeError: the recipe does not go with what was asked.
    """
    wanted = asked(run)
    return () if wanted is None else plan_trade_off(recipe, wanted, sources(recipe, wanted)).steps
