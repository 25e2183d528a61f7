"""`polylect compare`: two models, or what is recorded of them, on the same items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import endpoint_options, limits_of, listed, retries_of
from polylect.cli.printing import print_json
from polylect.errors import EvaluationError, nearest

if TYPE_CHECKING:
    from polylect.evaluate.comparing import Compared
    from polylect.evaluate.judging import JudgeSettings

__all__ = ["command"]

_HELP = """Compare two models on the same items, language by language, regressions first.

A and B are result folders (of `polylect eval`, or of an evaluation step of `polylect run`), recorded outputs (.jsonl or .parquet
with item, language and output, maybe prompt), or models. Scores of both are compared as they are. With --judge, the answers of
both are judged in pairs, in both orders; models and outputs without a prompt need --prompts (a table with item, language, text).

The judge is examined in every language. Where it contradicts itself, cannot be read, or disagrees with people's votes or its own
English verdicts, "judge unfit for this language" stands in place of a number.

\b
Examples:
  polylect compare results/new results/old
  polylect compare results/new results/old --benchmark xcopa --metric accuracy --json
  polylect compare new.jsonl old.jsonl --prompts prompts.jsonl --judge served:http://127.0.0.1:8000/v1#judge --out out
  polylect compare models/new models/old --prompts prompts.parquet --judge served:http://127.0.0.1:8000/v1#one \\
      --judge served:http://127.0.0.1:8001/v1#two --votes votes.jsonl --instructions native --out out
"""


@click.command(name="compare", help=_HELP, context_settings=CONTEXT)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--benchmark", "benchmarks", metavar="NAME,...", multiple=True, help="Only these benchmarks. Repeatable.")
@click.option("--metric", "metrics", metavar="NAME,...", multiple=True, help="Only these metrics. Repeatable.")
@click.option("--languages", metavar="TAG,...", help="Only these languages.")
@click.option("--judge", "judges", metavar="MODEL", multiple=True, help="Who judges; several are a panel. Repeatable.")
@click.option("--prompts", metavar="TABLE", type=click.Path(path_type=Path), help="Prompts: item, language, text.")
@click.option("--data", metavar="DIR", type=click.Path(path_type=Path), help="Where the benchmark's data lies.")
@click.option(
    "--votes", metavar="TABLE", type=click.Path(path_type=Path), help="People's votes: item, language, winner (a, b, tie)."
)
@click.option(
    "--instructions",
    type=click.Choice(["en", "native"]),
    default="en",
    show_default=True,
    help="Language of what judges are told.",
)
@click.option(
    "--verdicts",
    type=click.Choice(["line", "arena-hard"]),
    default="line",
    show_default=True,
    help="What judges may say: A, B, TIE; or five labels such as [[A>>B]].",
)
@click.option("--template", metavar="FILE", type=click.Path(path_type=Path), help="What judges are told, instead of ours.")
@click.option("--panel", type=click.Choice(["majority", "mean"]), default="majority", show_default=True)
@click.option("--threshold", "thresholds", metavar="NAME=X", multiple=True, help="Of the judge's certificate. Repeatable.")
@click.option("--no-gate", is_flag=True, help="Let wrong-language answers win.")
@click.option("--no-ungated", is_flag=True, help="Do not ask about wrong-language answers; they lose unseen.")
@click.option(
    "--judge-tokens", type=click.IntRange(min=1), default=512, show_default=True, metavar="N", help="Most of a verdict."
)
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, metavar="N", help="Most of an answer.")
@click.option("--unparsed-wrong", is_flag=True, help="Answers that no rule could read count as wrong.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder for comparison.json and every verdict.")
@click.option("--store", metavar="FILE", type=click.Path(path_type=Path), help="Answers.  [default: in DIR, else in the cache]")
@endpoint_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    a: str,
    b: str,
    benchmarks: tuple[str, ...],
    metrics: tuple[str, ...],
    languages: str | None,
    judges: tuple[str, ...],
    max_in_flight: int | None,
    timeout: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare, and print who is better where."""
    from polylect.cli.stage_display import StageDisplay
    from polylect.evaluate.comparing import compare

    settings = _settings(options)
    with StageDisplay(quiet=as_json) as display:
        compared = compare(
            a,
            b,
            benchmark=_parts(benchmarks),
            metric=_parts(metrics),
            languages=tuple(listed(languages)),
            judge=judges,
            settings=settings,
            limits=limits_of(max_in_flight),
            retries=retries_of(timeout),
            progress=lambda what, counts: display.show(what, counts.done, counts.total, counts.paid),
            **options,
        )
    if as_json:
        print_json(compared.as_dict())
    else:
        _print(compared, options["out"])


def _print(compared: Compared, out: Path | None) -> None:
    from rich.console import Console

    from polylect.cli.compare_tables import lines

    console = Console()
    for line in lines(compared):
        console.print(line, highlight=False, soft_wrap=isinstance(line, str), markup=False)
    if out is not None:
        console.print(f"Written to {out}", highlight=False, soft_wrap=True)


def _settings(options: dict[str, Any]) -> JudgeSettings:
    """Take the judge's options out of the others, and return them as settings."""
    from polylect.evaluate.judging import JudgeSettings, Thresholds

    template = options.pop("template")
    return JudgeSettings(
        instructions=options.pop("instructions"),
        verdicts=options.pop("verdicts"),
        template=None if template is None else _text(template),
        max_tokens=options.pop("judge_tokens"),
        gate=not options.pop("no_gate"),
        ungated=not options.pop("no_ungated"),
        panel=options.pop("panel"),
        thresholds=Thresholds(**_thresholds(options.pop("thresholds"))),
        seed=options["seed"],
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"--template {path}: cannot be read ({error}). Give a text file.") from error


def _thresholds(given: tuple[str, ...]) -> dict[str, Any]:
    from dataclasses import fields

    from polylect.evaluate.judging import Thresholds

    known = [field.name for field in fields(Thresholds)]
    values: dict[str, Any] = {}
    for one in given:
        name, _, value = one.partition("=")
        if name not in known:
            raise EvaluationError(f"--threshold {one!r}: {name!r} is not one of {', '.join(known)}.{nearest(name, known)}")
        try:
            values[name] = int(value) if name == "least" else float(value)
        except ValueError as error:
            raise EvaluationError(f"--threshold {one!r}: {value!r} is not a number. Write {name}=0.5, for instance.") from error
    return values


def _parts(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for one in given for part in listed(one))
