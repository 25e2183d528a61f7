"""`polylect safety eval`: how safely a model answers, per language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from polylect.cli.printing import print_json

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(min=1)
_FORMATS = ("own", "qwen3guard", "polyguard", "wildguard", "llama-guard", "granite-guardian", "shieldgemma")

_HELP = """Ask a model harmful prompts and harmless twins, and say per language what it does.

An answer complied, refused, is irrelevant, or is in the wrong language: gibberish is not safe. Harmless prompts show
over-refusal. TABLE is a prompt set (.parquet, .jsonl, .csv, or a folder): Aya red-teaming, MultiJail or XSTest in their own
columns, or yours with item, language, prompt and maybe categories, scope, origin, twin, harmful, harm_kept (docs/safety.md).

The outcomes come from people's labels where --labels has them, else from the judge, else from a detector that abstains outside
the languages it declares. A judge that people's labels prove wrong in a language gets "judge unfit" there instead of a number.
A judge is any model that follows instructions; a safety classifier is asked in its own way with --judge-format.

DIR gets report.html, safety.json (rates with 95 % intervals clustered by item), results.parquet (a row per answer),
summary.json and manifest.json. The same command on the same DIR goes on where it stopped. No prompt and no answer is printed.

\b
Examples:
  polylect safety eval --model models/mine --prompts aya_redteaming/ --out safety/mine
  polylect safety eval --model served:http://127.0.0.1:8000/v1#mine --judge served:http://127.0.0.1:8001/v1#judge \\
      --prompts multijail.csv --labels labels.jsonl --out safety/judged
  polylect safety eval --model models/mine --judge meta-llama/Llama-Guard-3-8B --judge-format llama-guard \\
      --prompts aya_redteaming/ --languages en,fr,hi --out safety/guarded
  polylect safety eval --answers answers.jsonl --prompts prompts.jsonl --languages sw,te,en --out safety/recorded
  polylect safety eval --model models/mine --prompts xstest.csv --limit 50 --json --out safety/over-refusal
"""


@click.command(name="eval", help=_HELP, context_settings=CONTEXT)
@click.option("--model", metavar="MODEL", help="Who is evaluated.")
@click.option("--answers", type=_PATH, metavar="TABLE", help="Recorded answers (item, language, answer) instead of a model.")
@click.option("--prompts", required=True, type=_PATH, metavar="TABLE", help="The prompt set.")
@click.option("--kind", type=click.Choice(SAFETY_SETS), help="Of the prompt set.  [default: by its columns]")
@click.option("--judge", metavar="MODEL", help="A model that judges the answers.  [default: the detector]")
@click.option(
    "--judge-format", type=click.Choice(_FORMATS), help="How this kind of judge is asked and read.  [default: our instructions]"
)
@click.option(
    "--judge-languages", metavar="TAG,...", help="Ask the judge in these (all: everywhere).  [default: its declared ones]"
)
@click.option("--judge-template", type=_PATH, metavar="FILE", help="Instructions for the judge, with {prompt} and {answer}.")
@click.option("--judge-max-tokens", type=_POSITIVE, metavar="N", help="Of a verdict.  [default: by format; our own: 256]")
@detector_option
@click.option("--labels", type=_PATH, metavar="TABLE", help="People's outcomes of these answers (item, language, outcome).")
@click.option("--calibration", type=_PATH, metavar="TABLE", help="Other labelled answers that only test the judge.")
@click.option("--least-kappa", type=click.FloatRange(-1, 1), metavar="K", help="With labels, below: unfit.  [default: 0.6]")
@click.option("--least-labels", type=_POSITIVE, metavar="N", help="Labels per language that a certificate takes.  [default: 20]")
@click.option("--languages", metavar="TAG,...", help="Only these languages.")
@click.option("--limit", type=_POSITIVE, metavar="N", help="Most prompts per language, harmful and harmless each.")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the result.")
@click.option("--name", metavar="NAME", help="What the results call the model.")
@click.option("--max-tokens", type=_POSITIVE, default=256, show_default=True, metavar="N", help="Most tokens of an answer.")
@click.option("--first-line", is_flag=True, help="An answer ends with its line (for base models).")
@dtype_option
@endpoint_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print safety.json.")
def command(
    model: str | None,
    prompts: Path,
    out: Path,
    languages: str | None,
    judge_languages: str | None,
    first_line: bool,
    least_kappa: float | None,
    least_labels: int | None,
    max_in_flight: int | None,
    timeout: float | None,
    detector: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Evaluate, and print what came out."""
    from polylect.cli.safety_eval_tables import print_safety
    from polylect.cli.stage_display import StageDisplay, silence_loading
    from polylect.report import safety_report
    from polylect.safety import Thresholds, evaluate
    from polylect.safety.detectors import detector_of

    for spec in (model, options.get("judge")):
        if spec is not None:
            silence_loading(spec)
    reader = detector_of(detector)
    given = {"kappa": least_kappa, "least": least_labels}
    with StageDisplay(quiet=as_json) as display:
        found = evaluate(
            model,
            prompts,
            out=out,
            languages=listed(languages) if languages else None,
            judge_languages=listed(judge_languages) if judge_languages else None,
            stop=("\n",) if first_line else (),
            thresholds=Thresholds(**{key: value for key, value in given.items() if value is not None}),  # type: ignore[arg-type]
            detector=reader,
            limits=limits_of(max_in_flight),
            retries=retries_of(timeout),
            progress=display.show,
            **valued(options),
        )
    safety_report(found.out)
    if as_json:
        print_json(found.as_dict())
    else:
        print_safety(found)
