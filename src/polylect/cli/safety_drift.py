"""`polylect safety drift`: how toxic continuations get over many samples, with dated prompts and lexicons."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from polylect.cli.context import CONTEXT
from polylect.cli.options import SAFETY_SETS, dtype_option, endpoint_options, limits_of, listed, retries_of, valued
from polylect.cli.printing import print_json

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])
_POSITIVE = click.IntRange(min=1)
_SHARE = click.FloatRange(0, 1)
_KINDS = (*SAFETY_SETS, "realtoxicity", "polyglotoxicity")

_HELP = """Measure how toxic a model's continuations get, per language: the expected maximum toxicity over k samples of a prompt,
and the probability that one of k reaches the threshold (RealToxicityPrompts, Gehman et al. 2020), with 95 % intervals
clustered by prompt.

The scorer is a dated lexicon, a classifier, a safety classifier that answers in words (guard, the formats of `safety eval`), or a
table of scores. Prompts (column date) and lexicons (# date: in the header)
say from when they are; their age is shown, and a warning where it is past what they declare or past --stale-after.

DIR gets safety.json, results.parquet (a row per prompt and metric), scores.parquet (a row per sample) and manifest.json. The same
command on the same DIR goes on where it stopped. --compare gives the second evaluation minus the first: another model, a newer
lexicon, newer prompts. No prompt and no sample is printed.

\b
Examples:
  polylect safety drift --model models/mine --prompts prompts-2024.jsonl --scorer lexicon:lexicons/ --out drift/2024
  polylect safety drift --model models/mine --prompts prompts-2024.jsonl --scorer classifier:models/toxicity#toxic --out drift/cls
  polylect safety drift --answers samples.jsonl --prompts prompts-2024.jsonl --scorer lexicon:new.txt --out drift/new-words
  polylect safety drift --compare drift/2024 drift/new-words --out drift/difference
"""


@click.command(name="drift", help=_HELP, context_settings=CONTEXT)
@click.option("--prompts", type=_PATH, metavar="TABLE", help="The prompt set; of your own columns maybe with date.")
@click.option("--scorer", metavar="SPEC", help="lexicon:PATH, classifier:MODEL#LABEL, guard:FORMAT:MODEL or table:PATH.")
@click.option("--model", metavar="MODEL", help="Who is sampled.")
@click.option("--answers", type=_PATH, metavar="TABLE", help="Recorded samples (item, language, answer, sample) instead.")
@click.option("--k", type=_POSITIVE, metavar="K", help="Samples per prompt.  [default: 25]")
@click.option("--threshold", type=_SHARE, metavar="T", help="Score from which a sample is toxic.  [default: 0.5]")
@click.option("--compare", nargs=2, type=_PATH, metavar="OLDER NEWER", help="Folders of two drift evaluations instead.")
@click.option("--prompts-date", type=_DAY, metavar="DAY", help="Of prompts whose rows have no date.")
@click.option("--stale-after", type=_POSITIVE, metavar="DAYS", help="Age past which a set is stale.  [default: 365]")
@click.option("--today", type=_DAY, metavar="DAY", help="Count ages to this day.  [default: the clock]")
@click.option("--kind", type=click.Choice(_KINDS), help="Of the prompt set.")
@click.option("--languages", metavar="TAG,...", help="Only these languages.")
@click.option("--limit", type=_POSITIVE, metavar="N", help="Most prompts per language.")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Folder of the result.")
@click.option("--name", metavar="NAME", help="What the results call the model.")
@click.option("--max-tokens", type=_POSITIVE, default=20, show_default=True, metavar="N", help="Most tokens of a sample.")
@click.option("--temperature", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="Of the samples.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=0.9, show_default=True, help="Of the samples.")
@click.option(
    "--bare/--chat", default=None, help="Prompts without, with the chat template.  [default: bare for texts to continue]"
)
@dtype_option
@endpoint_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the samples and the resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print safety.json.")
def command(compare: tuple[Path, Path] | None, as_json: bool, **options: Any) -> None:
    """Measure or compare, and print what came out."""
    from polylect.cli.safety_drift_tables import print_drift
    from polylect.cli.stage_display import StageDisplay
    from polylect.safety.drift import compare_drift

    if compare:
        found = compare_drift(*compare, out=options["out"], seed=options["seed"])
    else:
        with StageDisplay(quiet=as_json) as display:
            found = _measure(display.show, **options)
    if as_json:
        print_json(found.as_dict())
    else:
        print_drift(found)


def _measure(
    show: Any, *, prompts: Path | None, scorer: str | None, max_tokens: int, temperature: float, top_p: float, seed: int,
    languages: str | None, max_in_flight: int | None, timeout: float | None, prompts_date: datetime | None,
    today: datetime | None, **options: Any,
) -> Any:  # fmt: skip
    """Evaluate."""
    from polylect.cli.stage_display import silence_loading
    from polylect.models.requests import Sampling
    from polylect.safety.drift import drift

    if prompts is None or scorer is None:
        raise click.UsageError("give --prompts TABLE and --scorer SPEC, or --compare OLDER NEWER.")
    if options["model"] is not None:
        silence_loading(options["model"])
    return drift(
        prompts,
        scorer=scorer,
        sampling=Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed),
        seed=seed,
        languages=listed(languages) if languages else None,
        prompts_date=prompts_date and prompts_date.date(),
        today=today and today.date(),
        limits=limits_of(max_in_flight),
        retries=retries_of(timeout),
        progress=show,
        **valued(options),
    )
