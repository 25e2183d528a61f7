"""`polylect arbitrage`: prompts and a pool of teachers in, the best answers, pairs and the routing report out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import endpoint_options, listed, retries_of
from polylect.cli.printing import print_found, print_json
from polylect.errors import RecipeError

if TYPE_CHECKING:
    from polylect.arbitrage import Summary

__all__ = ["command", "engine_options", "given", "prompt_options", "sampling_options"]

_HELP = """Ask a pool of teachers, let an arbiter score the answers, and keep the best answer to each prompt.

TABLE (.parquet or .jsonl) has the columns item, language and text (or messages), and may have reference, source, licence.
DIR gets every answer (completions), scores, the training sets sft and pairs, the routing report (routing.json, report.html)
and a manifest.

Answers are stored as they come. A run that was killed goes on where it stopped when the same command is given again: nothing that
was answered is asked again.

\b
Examples:
  polylect arbitrage --prompts prompts.jsonl --pool pool.yaml --arbiter arbiter.yaml --router reward --out out
  polylect arbitrage --prompts prompts.parquet --pool pool.yaml --arbiter arbiter.yaml --router learned \\
      --router-set probe=0.1 --budget sw=2usd,default=200000tokens --max-in-flight 64 --out out
  polylect arbitrage --prompts prompts.parquet --pool pool.yaml --arbiter arbiter.yaml --router fixed \\
      --router-set "table={tr: north, default: south}" --out out
  polylect arbitrage --prompts prompts.jsonl --pool pool.yaml --arbiter arbiter.yaml --router fuse \\
      --router-set model=served:http://127.0.0.1:8000/v1#writer --out out
"""

_Command = Callable[..., Any]


def prompt_options(command: _Command) -> _Command:
    """Add the options about the prompt table."""
    for option in (
        click.option("--skip-bad-rows", is_flag=True, default=None, help="Leave out rows that break a rule; count them."),
        click.option("--split", "splits", metavar="NAME", multiple=True, help="Only this split of the table. Repeatable."),
        click.option("--languages", metavar="TAG,...", help="Only these languages of the table."),
        click.option("--prompts", required=True, metavar="TABLE", type=click.Path(path_type=Path), help="Prompts."),
    ):
        command = option(command)
    return command


def sampling_options(command: _Command) -> _Command:
    """Add the options about sampling."""
    for option in (
        click.option("--seed", type=int, help="Of sampling and of every draw.  [default: 0]"),
        click.option("--stop", metavar="TEXT", multiple=True, help=r"Ends an answer, such as \n. Repeatable."),
        click.option("--samples", type=int, metavar="N", help="Answers of a teacher to a prompt.  [default: 1]"),
        click.option("--top-p", type=float, metavar="P", help="Nucleus mass.  [default: 1.0]"),
        click.option("--temperature", type=float, metavar="T", help="0 is greedy.  [default: 0.0]"),
        click.option("--max-tokens", type=int, metavar="N", help="Most tokens of an answer.  [default: 1024]"),
    ):
        command = option(command)
    return command


def engine_options(command: _Command) -> _Command:
    """Add the options about folder, store, engine and what is printed."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option(
            "--store", metavar="FILE", type=click.Path(path_type=Path), help="Answers.  [default: DIR/.store/answers.sqlite]"
        ),
        endpoint_options,
        click.option("--num-gpus", type=float, metavar="N", help="GPUs of an actor on the Ray cluster.  [default: 0]"),
        click.option("--ray-address", metavar="ADDRESS", help="Of the Ray cluster: auto, HOST:6379, ray://HOST:10001."),
        click.option("--executor", type=click.Choice(["local", "ray"]), help="This machine, or a Ray cluster.  [default: local]"),
        click.option("--resume", is_flag=True, help="Go on; where a run is finished, ask again what failed."),
        click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder of the result."),
    ):
        command = option(command)
    return command


@click.command(name="arbitrage", help=_HELP, context_settings=CONTEXT)
@prompt_options
@click.option("--pool", required=True, metavar="POOL.yaml", type=click.Path(path_type=Path), help="Teachers.")
@click.option("--arbiter", required=True, metavar="ARBITER.yaml", type=click.Path(path_type=Path), help="Who scores.")
@click.option(
    "--router", default="reward", metavar="NAME", help="random, single, fixed, reward, learned, fuse.  [default: reward]"
)
@click.option("--router-set", "router_settings", metavar="KEY=VALUE", multiple=True, help="A setting of the router. Repeatable.")
@click.option("--budget", metavar="TAG=AMOUNT,...", help="Per language: sw=2usd,default=200000tokens.")
@sampling_options
@click.option("--no-reroute", is_flag=True, help="Ask no second teacher where an answer is refused.")
@click.option("--min-score", type=float, metavar="X", help="Least score of an answer to learn from.")
@click.option("--pairs", type=click.Choice(["best-worst", "translated", "both", "none"]), help="[default: best-worst]")
@click.option("--min-margin", type=float, metavar="X", help="Least difference of scores in a pair.  [default: 0.0]")
@click.option("--repeats", type=click.Choice(["sft", "prompts", "off"]), help="Leave repeats out of what.  [default: sft]")
@click.option("--similarity", type=float, metavar="J", help="Least Jaccard similarity of a repeat.  [default: 0.8]")
@click.option("--heldout-share", type=float, metavar="SHARE", help="Items that are neither asked nor learned from.")
@click.option("--allow-no-train", is_flag=True, default=None, help="Learn from teachers whose outputs may not train models.")
@click.option("--no-checks", is_flag=True, help="Score answers without checking them first.")
@engine_options
def command(
    prompts: Path,
    pool: Path,
    arbiter: Path,
    router: str,
    router_settings: tuple[str, ...],
    budget: str | None,
    no_reroute: bool,
    no_checks: bool,
    out: Path,
    resume: bool,
    max_in_flight: int | None,
    timeout: float | None,
    store: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the arbitrage and print what came out."""
    from polylect.arbitrage import arbitrate
    from polylect.cli.stage_display import StageDisplay
    from polylect.report import arbitrage_report

    settings = given(options)
    if no_reroute:
        settings["reroute"] = False
    if router_settings:
        settings["router_settings"] = dict(map(_setting, router_settings))
    with StageDisplay(quiet=as_json) as display:
        summary = arbitrate(
            prompts,
            pool,
            arbiter,
            router,
            out=out,
            resume=resume,
            max_in_flight=max_in_flight,
            budget=budget,
            store=store,
            checks=not no_checks,
            retries=retries_of(timeout),
            progress=display.show,
            **settings,
        )
    page = arbitrage_report(summary.out)
    if as_json:
        print_json(summary.as_dict())
    else:
        _print(summary, page)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as settings."""
    settings = {name: value for name, value in options.items() if value is not None and value != ()}
    if "languages" in settings:
        settings["languages"] = tuple(listed(settings["languages"]))
    if "stop" in settings:
        settings["stop"] = tuple(text.replace("\\n", "\n").replace("\\t", "\t") for text in settings["stop"])
    return settings


def _setting(text: str) -> tuple[str, Any]:
    """Return key and value of KEY=VALUE; the value is read as YAML."""
    import yaml

    key, mark, value = text.partition("=")
    if not mark or not key.strip():
        raise RecipeError(f"--router-set {text!r}: not KEY=VALUE. Write for example probe=0.1.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--router-set {text!r}: the value is not YAML ({error}). Put it in quotes.") from error


def _print(summary: Summary, page: Path) -> None:
    from rich.console import Console

    from polylect.cli.arbitrage_tables import left_out, routing_notes, routing_table

    console = Console()
    manifest = summary.manifest
    print_found(console, summary.found, "run")
    if summary.routing is not None:
        console.print(routing_table(summary.routing))
    notes = routing_notes(summary.routing) if summary.routing is not None else []
    for line in [*notes, "", *left_out(manifest)]:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"Written to {summary.out}", highlight=False, soft_wrap=True)
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)
