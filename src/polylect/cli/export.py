"""`polylect export`: a result folder for other tools."""

from __future__ import annotations

import json
from pathlib import Path

import click

from polylect.cli.context import CONTEXT
from polylect.errors import EvaluationError

__all__ = ["command"]

_PATH = click.Path(path_type=Path)

_HELP = """Write the results in folder RESULTS (of `polylect eval` or `polylect import`) for other tools.

--results-json gives the layout of lm-evaluation-harness's results file, --model-card the YAML of a model card's head with a
result per benchmark and language.

\b
Examples:
  polylect export results/mine --results-json results_mine.json
  polylect export results/mine --model-card metadata.yaml --name my-organisation/my-model
"""


@click.command(name="export", help=_HELP, context_settings=CONTEXT)
@click.argument("results", type=_PATH)
@click.option("--results-json", type=_PATH, metavar="FILE", help="Results in lm-evaluation-harness's layout.")
@click.option("--model-card", type=_PATH, metavar="FILE", help="model-index YAML of huggingface_hub.")
@click.option("--name", metavar="NAME", help="Name of the model on the card.  [default: as in the results]")
@click.option("--all-metrics", is_flag=True, help="Put every metric on the card, not the main one alone.")
def command(results: Path, results_json: Path | None, model_card: Path | None, name: str | None, all_metrics: bool) -> None:
    """Write the files, and say where."""
    from polylect.evaluate.interop import lm_eval_results, model_card_metadata, read_results

    if results_json is None and model_card is None:
        raise EvaluationError("nothing to write: give --results-json FILE, --model-card FILE, or both.")
    found = read_results(results)
    if results_json is not None:
        content = lm_eval_results(found.rows, shots=found.shots, seconds=found.seconds)
        _write(results_json, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    if model_card is not None:
        _write(model_card, model_card_metadata(found.summary, model=name, main_only=not all_metrics))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    click.echo(f"Written to {path}")
