"""`polylect safety distil`: training rows that teach a model to refuse without a preamble what it refuses with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import (
    SAFETY_SETS,
    detector_option,
    dtype_option,
    endpoint_options,
    limits_of,
    listed,
    retries_of,
    valued,
)
from polylect.cli.printing import print_found, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.safety.distilling import Distillation

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(min=1)

_HELP = """Let a model teach itself to refuse: sample with a safety preamble, filter, drop the preamble.

MODEL is the student's own earlier checkpoint; with the preamble before a prompt it is the teacher. FILE holds one preamble per
language (.yaml or .json: `fr: ...`) or one text for all. TABLE is a prompt set as for `polylect safety eval`. Kept are
refusals in the right language that make sense and are longer than a stock phrase; every other answer is counted with its
reason. Harmless prompts of TABLE are answered without that preamble and kept beside them (of several samples the first good
one), so that the student does not learn to refuse everything (docs/safety-distillation.md).

DIR gets sft.parquet (prompts without the preamble, answers), pairs.parquet (refusal over compliance), safety.json (counts
per language) and manifest.json. The same command on the same DIR goes on where it stopped. No prompt and no answer is printed.

\b
Examples:
  polylect safety distil --model runs/mine/steps/merge/sft --prompts prompts.parquet --preamble preamble.yaml --out safety/rows
  polylect safety distil --model served:http://127.0.0.1:8000/v1#mine --prompts aya_redteaming/ --preamble preamble.yaml \\
      --samples 4 --languages fr,hi,sw --out safety/rows
"""


@click.command(name="distil", help=_HELP, context_settings=CONTEXT)
@click.option("--model", required=True, metavar="MODEL", help="The student's own checkpoint.")
@click.option("--prompts", required=True, type=_PATH, metavar="TABLE", help="The prompt set.")
@click.option("--preamble", required=True, type=_PATH, metavar="FILE", help="What is put before a prompt, per language.")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the result.")
@click.option("--anchor-model", metavar="MODEL", help="Who answers the harmless prompts.  [default: MODEL]")
@click.option("--anchor-preamble", type=_PATH, metavar="FILE", help="Before the harmless prompts, such as worked examples.")
@click.option(
    "--anchor-samples", type=_POSITIVE, default=1, show_default=True, metavar="N", help="Per harmless prompt; 1: greedy."
)
@click.option("--kind", type=click.Choice(SAFETY_SETS), help="Of the prompt set.  [default: by its columns]")
@click.option("--languages", metavar="TAG,...", help="Only these languages.")
@click.option("--samples", type=_POSITIVE, default=1, show_default=True, metavar="N", help="With the preamble, per prompt.")
@click.option("--keep", type=_POSITIVE, default=1, show_default=True, metavar="N", help="Most refusals kept per prompt.")
@click.option("--temperature", type=click.FloatRange(min=0), default=0.9, show_default=True, metavar="T", help="Of the samples.")
@click.option("--top-p", type=click.FloatRange(0, 1), default=0.8, show_default=True, metavar="P", help="Of the samples.")
@click.option("--max-tokens", type=_POSITIVE, default=256, show_default=True, metavar="N", help="Most tokens of an answer.")
@click.option("--first-line", is_flag=True, help="An answer ends with its line (for base models).")
@click.option("--least-letters", type=_POSITIVE, metavar="N", help="Of a refusal, where no reasons are known.  [default: 36]")
@click.option("--turn", type=click.Choice(["system", "user"]), help="Where the preamble stands.  [default: by the chat template]")
@detector_option
@dtype_option
@endpoint_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the samples.")
@click.option("--json", "as_json", is_flag=True, help="Print safety.json.")
def command(
    model: str,
    prompts: Path,
    preamble: Path,
    languages: str | None,
    first_line: bool,
    max_in_flight: int | None,
    timeout: float | None,
    detector: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Distil, and print what was kept and dropped."""
    from polylect.cli.stage_display import StageDisplay, silence_loading
    from polylect.safety.detectors import detector_of
    from polylect.safety.distilling import distil

    for spec in (model, options.get("anchor_model")):
        if spec is not None:
            silence_loading(spec)
    reader = detector_of(detector)
    with StageDisplay(quiet=as_json) as display:
        found = distil(
            model,
            prompts,
            preamble,
            languages=listed(languages) if languages else None,
            stop=("\n",) if first_line else (),
            detector=reader,
            limits=limits_of(max_in_flight),
            retries=retries_of(timeout),
            progress=display.show,
            **valued(options),
        )
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)


def _print(found: Distillation) -> None:
    from rich.console import Console

    console = Console()
    print_found(console, found.found, "distillation")
    rows = found.document["rows"]
    for prompts, title in (("harmful", "Refusals"), ("harmless", "Answers to harmless prompts")):
        own = [row for row in rows if row["prompts"] == prompts]
        if own:
            console.print(_table(own, title, pairs=prompts == "harmful"))
    for line in found.document["notes"]:
        console.print(f"Note: {line}", highlight=False, soft_wrap=True, markup=False)
    summary = found.document["summary"]
    written = f"{summary['rows']:,} rows and {summary['pairs']:,} pairs written to {found.out}"
    console.print(written, highlight=False, soft_wrap=True, markup=False)


def _table(rows: list[dict[str, Any]], title: str, *, pairs: bool) -> Table:
    """Return a line per language: prompts, answers, what was kept, and why the others were not."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("language", "prompts", "answers", "kept", *(("pairs",) if pairs else ()), "dropped"):
        table.add_column(name, justify="left" if name in {"language", "dropped"} else "right")
    for row in rows:
        counts = [f"{row[name]:,}" for name in ("asked", "answers", "kept", *(("pairs",) if pairs else ()))]
        reasons = {**row["dropped"], **{name.replace("_", " "): row[name] for name in ("harm_lost", "without_preamble", "spare")}}
        dropped = "; ".join(f"{escape(reason)} {count:,}" for reason, count in reasons.items() if count)
        table.add_row("all" if row["language"] == "mul" else row["language"], *counts, dropped)
    return table
