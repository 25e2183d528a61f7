"""`polylect power`: how many prompts and how much judging a difference needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from polylect.cli.context import CONTEXT

if TYPE_CHECKING:
    from polylect.evaluate.power import Claim, PowerPlan

__all__ = ["command"]

_HELP = """How many prompts, answers and judge calls it takes to find a difference between two models.

Without --benchmark all known benchmarks are listed, with the difference that their own items can show.

\b
Examples:
  polylect power --languages 23 --difference 3
  polylect power --languages 23 --difference 3 --benchmark m-arenahard
  polylect power --languages 23 --difference 3 --benchmark m-arenahard --price 2.5 10 --json
"""


@click.command(name="power", help=_HELP, context_settings=CONTEXT)
@click.option("--languages", type=click.IntRange(min=1), required=True, metavar="N", help="Number of languages.")
@click.option("--difference", type=float, required=True, metavar="POINTS", help="Difference to find, in percentage points.")
@click.option("--benchmark", "benchmarks", metavar="NAME[,NAME]", help="Benchmarks to plan for.  [default: all known]")
@click.option("--power", type=float, default=0.8, show_default=True, help="Chance of finding the difference.")
@click.option("--level", type=float, default=0.05, show_default=True, help="Chance of finding one where none is (two-sided).")
@click.option("--correlation", type=float, metavar="R", help="Of an item's differences between languages.  [default: 0.26]")
@click.option("--spread", type=float, metavar="S", help="Standard deviation of an item's difference, 0 to 1.")
@click.option(
    "--judges", type=click.IntRange(min=1), default=1, show_default=True, help="Judges that see each prompt, in both orders."
)
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    nargs=2,
    default=(1800, 100),
    show_default=True,
    help="Tokens in and out per judge call.",
)
@click.option("--price", type=float, nargs=2, metavar="IN OUT", help="Dollars per million tokens in and out of the judge.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with one plan per benchmark.")
def command(
    languages: int,
    difference: float,
    benchmarks: str | None,
    power: float,
    level: float,
    correlation: float | None,
    spread: float | None,
    judges: int,
    tokens: tuple[int, int],
    price: tuple[float, float] | None,
    as_json: bool,
) -> None:
    """Plan and print."""
    from polylect.evaluate.power import CORRELATION, JudgeCost, plan

    prices = price or (None, None)
    plans = plan(
        languages,
        difference,
        [name.strip() for name in benchmarks.split(",")] if benchmarks else (),
        power=power,
        level=level,
        correlation=CORRELATION if correlation is None else correlation,
        spread=spread,
        judge=JudgeCost(judges=judges, tokens_in=tokens[0], tokens_out=tokens[1], price_in=prices[0], price_out=prices[1]),
    )
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in plans], indent=2))
        return
    lines = _overview(plans) if not benchmarks else [line for one in plans for line in _details(one, tokens)]
    click.echo("\n".join(lines).rstrip())


def _question(one: PowerPlan) -> str:
    return (
        f"{one.difference:g} points between two models, {_number(one.languages, 'language')}, "
        f"found with a chance of {100 * one.power:g} % at level {100 * one.level:g} % (two-sided)"
    )


def _overview(plans: Sequence[PowerPlan]) -> list[str]:
    many = plans[0].languages > 1
    names = {claim.kind: _name(claim, plans[0]) for claim in plans[0].claims}
    head = ["benchmark", "items", *(f"{kind}: needs" for kind in names), *(f"{kind}: detects" for kind in names)]
    rows = [
        [one.benchmark, f"{one.available:,}", *(f"{c.items:,}" for c in one.claims), *(f"{c.detectable:.1f}" for c in one.claims)]
        for one in plans
    ]
    lines = [_question(plans[0]), "", *_table([head, *rows]), ""]
    lines += [f"{kind}: {name}" for kind, name in names.items()]
    lines += ["needs: items per language; detects: the smallest difference in points that the benchmark's own items show.", ""]
    if many:
        lines.append(f"{_design_words(plans[0])}.")
    for assumption in dict.fromkeys(one.assumption for one in plans):
        lines.append(f"{', '.join(one.benchmark for one in plans if one.assumption == assumption)}: {assumption}.")
    return lines


def _details(one: PowerPlan, tokens: tuple[int, int]) -> list[str]:
    head = ["claim", "items per language", "answers per model"]
    head += ["judge calls", "judge tokens", "judge cost"] if one.judged else []
    head += [f"found with its {one.available:,}"]
    rows = []
    for claim in one.claims:
        cells = [_name(claim, one), f"{claim.items:,}", f"{claim.answers:,}"]
        if one.judged:
            cost = "give --price" if claim.cost is None else f"${claim.cost:,.2f}"
            cells += [f"{claim.calls:,}", f"{(claim.tokens_in + claim.tokens_out) / 1e6:.1f} M", cost]
        rows.append([*cells, f"{claim.detectable:.1f} points{'' if claim.enough else ' (too few)'}"])
    lines = [f"{one.benchmark}: {_question(one)}", "", *_table([head, *rows]), "", "Assumed:"]
    lines.append(f"- {one.assumption} (spread {one.spread:.3f})")
    if one.languages > 1:
        lines.append(f"- {_design_words(one)}")
    if one.judged:
        lines.append(
            f"- every prompt is judged in both orders; {tokens[0]:,} tokens in and {tokens[1]:,} out per call (--tokens)"
        )
    return [*lines, ""]


def _design_words(one: PowerPlan) -> str:
    return (
        f"an item's differences correlate {one.correlation:g} between languages: a mean over {one.languages} varies "
        f"{one.design_effect:.1f} times as much as independent rows would (--correlation)"
    )


def _name(claim: Claim, one: PowerPlan) -> str:
    if claim.kind == "macro":
        return f"mean over {one.languages} languages"
    return "one language" if claim.kind == "one" else f"each of {one.languages} languages (Holm)"


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
