"""`polylect safety mix-or-merge`: mix safety data into the training, or merge a safety expert into the model?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT

if TYPE_CHECKING:
    from polylect.run.mix_or_merge import MixOrMergeReport

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(min=1)

_HELP = """Make the model of RECIPE safe in two ways, mixed data and merged experts, and say which is better.

The general expert is the recipe's own stage (of a finished run: its checkpoint is used). A safety expert is trained from the
same start on the safety data; mixed models are trained as the recipe trains, on data with a share of safety rows; and the two
experts are merged by each method and weight. With --by language, experts of one language each are trained on mixed data and
merged. With rows of fine-tuning and preference pairs, both stages are compared. Every candidate answers the safety prompts and
the recipe's held-out items. A recipe with the key `safety` has data and prompts of its own.

On one half of the items a candidate is chosen: lowest violation rate whose quality and over-refusal keep the rule; on the other
half it is reported, with 95 % intervals clustered by item and the candidates that cannot be told from it. DIR gets safety.json,
candidates.parquet, results.parquet, quality.parquet and report.html. Every step is kept: the same command goes on where it
stopped. No text of an answer is printed.

\b
Examples:
  polylect safety mix-or-merge recipes/quickstart.yaml --safety-data distilled/sft.parquet --safety-prompts prompts.jsonl
  polylect safety mix-or-merge my.yaml --safety-data sft.parquet --safety-prompts prompts.jsonl --dry-run
  polylect safety mix-or-merge my.yaml --safety-data sft.parquet --safety-data pairs.parquet --safety-prompts multijail.csv
  polylect safety mix-or-merge distils-safety.yaml
  polylect safety mix-or-merge my.yaml --safety-data sft.parquet --safety-prompts prompts.jsonl --share 0.03,0.15 \\
      --by objective,language --method linear,slerp --weights 0.3,0.5,0.7
"""


def _numbers(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{text!r}: numbers with commas between them are needed, such as 0.3,0.5,0.7.") from None


def _names(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


@click.command(name="mix-or-merge", help=_HELP, context_settings=CONTEXT)
@click.argument("recipe", type=_PATH)
@click.option(
    "--safety-data",
    multiple=True,
    type=_PATH,
    metavar="TABLE",
    help="Rows of fine-tuning, or preference pairs; twice for one of each.  [default: what the recipe distils]",
)
@click.option(
    "--safety-prompts", type=_PATH, metavar="TABLE", help="The prompt set that measures safety.  [default: the recipe's]"
)
@click.option(
    "--share", "shares", callback=_numbers, metavar="S,...", help="Of safety rows in mixed data.  [default: 0.03; pairs: 0.15]"
)
@click.option("--by", callback=_names, metavar="WAY,...", help="Merge by objective, language.  [default: objective]")
@click.option(
    "--method", "methods", callback=_names, metavar="NAME,...", help="Of merging.  [default: linear,slerp,ties,dare-ties]"
)
@click.option("--weights", callback=_numbers, metavar="W,...", help="Of the safety expert.  [default: 0,0.3,0.5,0.7,1]")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="POINTS",
    help="Quality that may be lost.",
)
@click.option(
    "--over-refusal",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="POINTS",
    help="Over-refusal that may be added.",
)
@click.option("--judge", metavar="MODEL", help="A model that judges the answers.  [default: the recipe's, or the detector]")
@click.option("--judge-format", metavar="NAME", help="How this kind of judge is asked, as of safety eval.")
@click.option("--detector", type=click.Choice(["rules", "learned"]), help="Reads answers.  [default: the recipe's, or rules]")
@click.option("--first-line", is_flag=True, help="An answer to a safety prompt ends with its line.")
@click.option("--limit", type=_POSITIVE, metavar="N", help="Most safety prompts per language, harmful and harmless each.")
@click.option("--max-tokens", type=_POSITIVE, metavar="N", help="Most tokens of an answer.  [default: the recipe's, or 256]")
@click.option("--run", "run_folder", type=_PATH, metavar="DIR", help="Run folder of the recipe.  [default: runs/<recipe name>]")
@click.option("--out", type=_PATH, metavar="DIR", help="Folder of the result.  [default: mix-or-merge in the run folder]")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change a key of the recipe. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Print the plan with steps, tokens, minutes and GB; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print safety.json.")
def command(
    recipe: Path,
    safety_data: tuple[Path, ...],
    safety_prompts: Path | None,
    tolerance: float,
    over_refusal: float,
    first_line: bool,
    run_folder: Path | None,
    out: Path | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the experiment, and print what came out."""
    from polylect.run.mix_or_merge import mix_or_merge
    from polylect.run.mix_or_merge_choice import Rule
    from polylect.run.mix_or_merge_wanted import MixOrMerge

    given = {key: value for key, value in options.items() if value is not None}
    found = mix_or_merge(
        recipe,
        MixOrMerge(data=safety_data, prompts=safety_prompts, stop=("\n",) if first_line else (), **given),
        rule=Rule(tolerance, over_refusal),
        run=run_folder,
        out=out,
        dry_run=dry_run,
        overrides=overrides,
    )
    if dry_run:
        return
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: MixOrMergeReport) -> None:
    """Print the candidates' means over languages on the half that none was chosen on, and the recommendation."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    summary = found.document["summary"]
    console = Console()
    console.print("Mean over languages, on items that no candidate was chosen on:", highlight=False)
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("candidate", "violation %", "over-refusal %", "quality", ""):
        table.add_column(heading, justify="left" if heading in ("candidate", "") else "right", no_wrap=True)
    for row in found.document["rows"]:
        if (row["half"], row["language"]) == ("report", "mul"):
            numbers = [_text(row[one], 100, 0) for one in ("violation", "over_refusal")]
            marks = ["front"] * row["front"] + ["fails"] * (row["candidate"] not in summary["eligible"])
            style = "bold" if row["recommended"] else None
            # Brackets are markup to rich unless they are escaped.
            cells = [escape(text) for text in (row["candidate"], *numbers, _text(row["quality"], 1, 1), ", ".join(marks))]
            table.add_row(*cells, style=style)
    console.print(table)
    console.print("front: no other has as little harm and as much quality; fails: breaks the rule.", highlight=False)
    console.print(f"Recommended: {summary['recommended']} ({found.checkpoint})", highlight=False, soft_wrap=True)
    console.print(f"Rule: {summary['rule']}.", highlight=False, soft_wrap=True)
    for line in (*summary["verdicts"], *(f"note: {note}" for note in found.document["notes"])):
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"Report: {found.out / 'report.html'}", highlight=False, soft_wrap=True)


def _text(ends: dict[str, float | None], scale: float, places: int) -> str:
    value, low, high = ends["value"], ends["low"], ends["high"]
    if value is None:
        return "-"
    interval = "" if low is None or high is None else f" [{scale * low:.0f}, {scale * high:.0f}]"
    return f"{scale * value:.{places}f}{interval}"
