"""What a path is that `polylect gap coverage` was given: a model card, a run, a result folder, or a model folder with a card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.gap.cards import Card, read_card
from polylect.gap.coverage.tables import Found, mixture_table, results_table, scored_rows
from polylect.gap.evidence import Evidence
from polylect.gap.language_names import resolve

__all__ = ["read_source"]

_CARDS = {".md", ".markdown", ".mdx", ".txt", ""}
_TABLES = {".parquet", ".jsonl", ".csv", ".tsv"}


def read_source(path: Path) -> tuple[Found, list[Card]]:
    """Return what a path shows, and the cards that were read for it.

    Raises:
        DataError: the path is missing, a table (which --mixture, --results and --safety take), or holds nothing that is known.
    """
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Name a model card (README.md), a run or a result folder.")
    if path.suffix.lower() in _TABLES:
        raise DataError(
            f"{path}: a table. Say what it shows: --mixture {path.name}, --results {path.name}, --human {path.name} or --safety "
            f"{path.name} (once per table)."
        )
    if path.suffix.lower() not in _CARDS:
        raise DataError(f"{path}: {path.suffix!r} is no ending of a model card. Name its README.md, or a run or result folder.")
    card = read_card(path)
    return Found(list(card.evidence), list(card.unresolved), list(card.notes)), [card]


def _folder(folder: Path) -> tuple[Found, list[Card]]:
    found, cards, known = Found(), [], False
    if (folder / "recipe.json").is_file() and (folder / "steps").is_dir():
        found.add(_run(folder))
        known = True
    if (folder / "results.parquet").is_file():
        found.add(results_table(folder / "results.parquet", f"{folder.name}/results.parquet"))
        known = True
    if (folder / "README.md").is_file():
        card = read_card(folder / "README.md", f"{folder.name}/README.md")
        found.add(Found(list(card.evidence), list(card.unresolved), list(card.notes)))
        cards.append(card)
        known = True
    if not known:
        raise DataError(
            f"{folder}: neither a run (recipe.json, steps/), nor a result folder (results.parquet), nor a model with a README.md."
            " Name the folder that `polylect run` or `polylect eval` wrote, or a model card."
        )
    return found, cards


def _run(folder: Path) -> Found:
    """Return what a run of `polylect run` shows: its recipe claims, its tables train, its comparison evaluates."""
    found = Found()
    recipe = _json(folder / "recipe.json")
    for text in recipe.get("languages") or ():
        resolved = resolve(str(text))
        for tag in resolved.tags if resolved else ():
            source = f"{folder.name}/recipe.json"
            found.evidence.append(
                Evidence(level="claimed", language=tag, source=source, kind="recipe", quote=f"languages: {text}")
            )
    for name in ("examples", "pairs"):
        path = folder / "steps" / "arbitrage" / f"{name}.parquet"
        if path.is_file():
            found.add(mixture_table(path, f"{folder.name}/steps/arbitrage/{name}.parquet"))
    compare = folder / "steps" / "compare"
    if not (compare / "summaries.parquet").is_file():
        found.notes.append(f"{folder.name}: no steps/compare/summaries.parquet: the run has not been evaluated to its end.")
        return found
    found.add(_final_summaries(folder, compare / "summaries.parquet"))
    if (compare / "verdicts.parquet").is_file():
        # Verdicts of a judge model are an evaluation, which the summaries show already; those of people are more.
        judged = results_table(compare / "verdicts.parquet", f"{folder.name}/steps/compare/verdicts.parquet")
        found.evidence += [one for one in judged.evidence if one.level == "human-checked"]
    return found


def _final_summaries(folder: Path, path: Path) -> Found:
    """Return what the summaries show of the model that the run hands over."""
    import polars as pl

    frame = pl.read_parquet(path)
    final = str(_json(folder / "report.json").get("final_stage") or "") if (folder / "report.json").is_file() else ""
    found = Found()
    if final in frame["stage"].unique().to_list():
        frame = frame.filter(pl.col("stage") == final)
    else:
        found.notes.append(f"{folder.name}: report.json names no final stage; the evaluations of all stages count.")
    found.add(scored_rows(frame, f"{folder.name}/steps/compare/summaries.parquet"))
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Name the folder of a `polylect run`.") from error
    return value if isinstance(value, dict) else {}
