"""`polylect eval`: a model, or its recorded outputs, on benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import dtype_option, endpoint_options, limits_of, listed, retries_of, valued
from polylect.cli.printing import print_json
from polylect.errors import EvaluationError

if TYPE_CHECKING:
    from polylect.evaluate.comet import Comet
    from polylect.evaluate.judging import JudgeSettings

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(min=1)

_HELP = """Evaluate a model on benchmarks, per language, with 95 % intervals clustered by item.

MODEL is a local model by name or folder, served:URL#NAME, or another kind of model. NAME is a benchmark such as xcopa, mgsm or
global-mmlu-lite (docs/benchmarks.md lists them), or a YAML file of your own. DIR gets results.parquet (one row per language, item
and metric), summary.json and manifest.json.

Scores and answers are kept as they come: the same command on the same DIR goes on where it stopped. With --recorded the outputs
of a model that is not at hand are scored instead.

\b
Examples:
  polylect eval --model models/mine --benchmark xcopa,xstorycloze --data data --out results/mine
  polylect eval --model served:http://127.0.0.1:8000/v1#mine --benchmark mgsm --languages sw,te,th --out results/mgsm
  polylect eval --recorded outputs.jsonl --benchmark mgsm --data data/mgsm --out results/recorded
  polylect eval --judge served:http://127.0.0.1:8000/v1#judge --benchmark m-rewardbench --languages de,zh --out results/judge
  polylect eval --model models/mine --benchmark global-mmlu-lite --shots 5 --prompt-language native --limit 100 --out try
"""


@click.command(name="eval", help=_HELP, context_settings=CONTEXT)
@click.option("--model", metavar="MODEL", help="Who is evaluated.")
@click.option("--judge", metavar="MODEL", help="A language model that judges pairs of given answers (m-rewardbench).")
@click.option("--instructions", type=click.Choice(["en", "native"]), help="Language of what --judge is told.  [default: en]")
@click.option("--verdicts", type=click.Choice(["line", "arena-hard"]), help="What --judge may say.  [default: line]")
@click.option("--recorded", type=_PATH, metavar="FILE", help="Recorded outputs (.jsonl, .parquet) instead of a model.")
@click.option("--benchmark", "benchmarks", required=True, multiple=True, metavar="NAME,...", help="Benchmarks. Repeatable.")
@click.option("--data", metavar="DIR", help="Data: a folder or file, or a copy's id on the hub.  [default: the hub]")
@click.option("--languages", metavar="TAG,...", help="Only these languages.")
@click.option(
    "--shots", type=click.IntRange(min=0), metavar="N", help="Examples before each question.  [default: the benchmark's]"
)
@click.option("--examples", type=click.Choice(["fixed", "similar"]), help="How examples are chosen.  [default: fixed]")
@click.option("--prompt-language", type=click.Choice(["native", "en", "translate"]), help="[default: the benchmark's]")
@click.option("--translator", metavar="SPEC", help="For --prompt-language translate: who translates; self: the model itself.")
@click.option(
    "--comet",
    metavar="MODEL",
    is_flag=False,
    flag_value="Unbabel/XCOMET-XL",
    help="Score translations by COMET, too.  [xCOMET-XL]",
)
@click.option("--comet-python", metavar="PYTHON", help="The Python that has unbabel-comet.  [default: this one]")
@click.option("--limit", type=_POSITIVE, metavar="N", help="Most items per language and subset.")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the result.")
@click.option("--name", metavar="NAME", help="What the results call the model.")
@click.option("--revision", metavar="REV", help="Branch, tag or commit of a hub model.")
@click.option("--max-tokens", type=_POSITIVE, metavar="N", help="Most tokens of an answer.  [default: the benchmark's]")
@click.option("--batch-tokens", type=_POSITIVE, metavar="N", help="Most tokens of a pass that scores options.")
@click.option("--batch-rows", type=_POSITIVE, metavar="N", help="Most questions of such a pass.")
@dtype_option
@endpoint_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    model: str | None,
    judge: str | None,
    recorded: Path | None,
    benchmarks: tuple[str, ...],
    out: Path,
    languages: str | None,
    max_in_flight: int | None,
    timeout: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Evaluate, and print what came out."""
    from polylect.cli.eval_tables import print_evaluation
    from polylect.cli.stage_display import StageDisplay, silence_loading
    from polylect.evaluate import evaluate

    options["judge"] = _judging(judge, model, options)
    options["comet"] = _comet(options)
    model = judge or model
    if model is not None:
        silence_loading(model)
    with StageDisplay(quiet=as_json) as display:
        evaluation = evaluate(
            model,
            [name for given in benchmarks for name in listed(given)],
            out=out,
            recorded=recorded,
            languages=listed(languages) if languages else None,
            limits=limits_of(max_in_flight),
            retries=retries_of(timeout),
            progress=display.show,
            **valued(options),
        )
    if as_json:
        print_json(evaluation.as_dict())
    else:
        print_evaluation(evaluation)


def _judging(judge: str | None, model: str | None, options: dict[str, Any]) -> JudgeSettings | None:
    """Take the judge's options out of the others, and return them as settings; None without a judge."""
    from polylect.evaluate.judging import JudgeSettings

    given = {name: options.pop(name) for name in ("instructions", "verdicts")}
    chosen = {name: value for name, value in given.items() if value is not None}
    if judge is None and chosen:
        raise EvaluationError(f"--{next(iter(chosen))} is about the judge. Name one with --judge MODEL, or leave it out.")
    if judge is not None and model is not None:
        raise EvaluationError("--judge and --model both say who is evaluated. Give one of them.")
    if judge is not None and options["max_tokens"] is not None:
        chosen["max_tokens"] = options["max_tokens"]
    return None if judge is None else JudgeSettings(**chosen)


def _comet(options: dict[str, Any]) -> Comet | None:
    """Take the options of COMET out of the others; None where it is not asked for."""
    from polylect.evaluate.comet import Comet

    model, python = options.pop("comet"), options.pop("comet_python")
    if model is None:
        if python is not None:
            raise EvaluationError("--comet-python is about COMET. Ask for it with --comet, or leave it out.")
        return None
    return Comet(model, python) if python else Comet(model)
