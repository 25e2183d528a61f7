"""`polylect gap performance`: how far each language is behind."""

from __future__ import annotations

from pathlib import Path

import click

from polylect.cli.context import CONTEXT

__all__ = ["command"]

_HELP = """Measure how far each language is behind English and behind the best language, per model and benchmark.

RESULTS are result folders of `polylect eval`, runs of `polylect run`, or tables (.parquet, .jsonl, .csv) with the columns model,
benchmark, language, score; with item, gaps are paired and have intervals. Also: share of the English score, mean of the worst
languages, Gini, and rank correlation with resource class and with the tokenization premium.

\b
Examples:
  polylect gap performance results/mine
  polylect gap performance runs/quickstart --metric exact_match --tokenizer gemma-3-270m --out gap
  polylect gap performance scores.csv --base llama --tuned llama-de=de --tuned llama-sw=sw
  polylect gap performance results/mine --json - | jq '.rows[] | select(.equivalent == "no") | .language'
"""


@click.command(name="performance", help=_HELP, context_settings=CONTEXT)
@click.argument("results", metavar="RESULTS...", nargs=-1, required=True)
@click.option("--metric", multiple=True, metavar="NAME", help="Only this metric. Repeatable.  [default: the main one, else all]")
@click.option(
    "--theta", default=0.9, show_default=True, metavar="X", help="Share of the English score that counts as equivalent."
)
@click.option(
    "--worst", type=click.IntRange(min=1), default=3, show_default=True, metavar="K", help="Languages in the worst mean."
)
@click.option(
    "--tokenizer", metavar="TOKENIZER", help="Set its premium beside the scores, as `polylect gap tokenizer` measures it."
)
@click.option("--premiums", type=click.Path(path_type=Path), metavar="DIR", help="Premiums from a document of gap tokenizer.")
@click.option("--base", metavar="MODEL", help="The untuned model, for the quadrants of transfer.")
@click.option("--tuned", multiple=True, metavar="MODEL=TAG", help="A model and the language it was tuned on. Repeatable.")
@click.option("--top", type=click.IntRange(min=0), default=25, show_default=True, metavar="N", help="Languages printed, 0: all.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for report.html, gap.json, rows.csv, metrics.csv."
)
@click.option("--json", "json_to", metavar="FILE", help="Write the document as JSON; - for the standard output.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
def command(
    results: tuple[str, ...], metric: tuple[str, ...], theta: float, worst: int, tokenizer: str | None, premiums: Path | None,
    base: str | None, tuned: tuple[str, ...], top: int, out: Path | None, json_to: str | None, seed: int,
) -> None:  # fmt: skip
    """Measure, print, write."""
    from polylect.cli.gap_writing import write
    from polylect.gap.performance import gap_performance

    document = gap_performance(
        results, metrics=metric, theta=theta, worst=worst, tokenizer=tokenizer, premiums=premiums, base=base, tuned=_pairs(tuned),
        seed=seed,
    )  # fmt: skip
    if write(document, out, json_to):
        from rich.console import Console

        from polylect.cli.gap_performance_tables import show

        show(document, Console(), top)


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Return model -> tag."""
    pairs = {}
    for text in given:
        model, equals, tag = text.rpartition("=")
        if not (model and equals and tag):
            raise click.UsageError(f"--tuned {text!r}: write MODEL=TAG, for example llama-sw=sw.")
        pairs[model] = tag
    return pairs
