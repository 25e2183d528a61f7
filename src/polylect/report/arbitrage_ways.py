"""The charts that hold a router against other ways to choose: oracle, best single teacher, random, translation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from polylect.report import svg
from polylect.report.arbitrage_data import Account, Estimate, Language
from polylect.report.arbitrage_marks import Write, ends, estimate_cells, label, mark, rates, reading, rows, shorter, tick, values
from polylect.report.marks import key
from polylect.report.numerals import count
from polylect.report.views import Cell, Chart, ChartRow, Key, Table

__all__ = ["gains", "ways", "win_rates"]

_ROW, _STEP = 32, 17

_Way = tuple[str, str, str, str, str]
_LIMITS: tuple[_Way, ...] = (
    ("oracle", "Best answer of the pool (oracle)", "oracle", "limit", "tick"),
    ("random", "Any teacher at random", "random", "reference", "ring"),
)
"""Ways to choose that have an answer to every prompt compared: key, title, short title, colour, shape."""

_AGAINST: tuple[_Way, ...] = (
    ("best_single", "Best single teacher", "single", "second", "diamond"),
    _LIMITS[1],
    ("translation", "Translation baseline", "translation", "third", "square"),
)
"""Ways that the router is held against prompt by prompt."""


def ways(account: Account) -> Chart:
    """Mean reward of the router between that of any teacher at random and that of the pool's best answers."""
    scale = svg.Scale.cover(ends(row.ways[name] for row in rows(account) for name in ("routed", "oracle", "random")))
    return Chart(
        name="ways",
        title="The router between chance and the oracle",
        description=(
            "Mean reward on the prompts that every teacher was asked and that the router did not learn from, with the router's "
            "95% interval. The table has the best single teacher and translation too, over the prompts where their answers have "
            "a score; the gains and win rates below compare them with the router on the same prompts."
        ),
        table=_ways_table(account),
        rows=[_ways_row(row, scale) for row in rows(account)],
        axis=svg.axis(scale, [tick(value, values) for value in scale.ticks]),
        axis_title="Mean reward",
        legend=[key("main", "circle", "Router"), *_legend(_LIMITS)],
        style="wide",
    )


def _ways_row(row: Language, scale: svg.Scale) -> ChartRow:
    marks = svg.grid(scale, height=_ROW)
    for name, _, _, kind, shape in _LIMITS:
        marks += mark(scale, row.ways[name], y=_ROW / 2, kind=kind, shape=shape, whisker=False)
    marks += mark(scale, row.ways["routed"], y=_ROW / 2)
    readings = [reading(row.ways["routed"], values, "router", "main"), reading(row.ways["random"], values, "random", "reference")]
    return ChartRow(label(row), svg.strip(marks, height=_ROW), readings)


def _ways_table(account: Account) -> Table:
    titles = {"routed": "Router", **{name: title for name, title, *_ in (*_LIMITS, _AGAINST[0], _AGAINST[2])}}
    columns = ("Language", "Compared", *(part for title in titles.values() for part in (title, "95% interval", "n")))
    body = []
    for row in rows(account):
        cells = [cell for name in titles for cell in estimate_cells(row.ways[name], values, counted=True)]
        body.append((label(row), [Cell(count(row.compared)), *cells]))
    return Table("Mean reward of ways to choose an answer, with the number of prompts", columns, body)


def gains(account: Account) -> Chart:
    """What the router's answers are worth more than those of random, the best single teacher and translation."""
    return _against(
        account,
        lambda row: row.gains,
        values,
        name="gains",
        title="What the router gains",
        description=(
            "Mean reward of the router's answers minus that of another way to choose, on the prompts where both have a score; "
            f"0 is even. {_best(account)}Lines are 95% intervals."
        ),
        caption="Mean reward of the router minus that of other ways to choose, on the same prompts",
        even=0.0,
    )


def win_rates(account: Account) -> Chart:
    """Win rate of the router against random, the best single teacher and translation."""
    return _against(
        account,
        lambda row: row.wins,
        rates,
        name="win-rates",
        title="Win rate of the router",
        description=(
            "Share of prompts on which the router's answer scores better than that of another way to choose; a tie counts half, "
            f"50% is even. {_best(account)}Lines are 95% intervals."
        ),
        caption="Win rate of the router against other ways to choose, ties counted half",
        even=0.5,
    )


def _against(
    account: Account,
    get: Callable[[Language], Mapping[str, Estimate]],
    write: Write,
    *,
    name: str,
    title: str,
    description: str,
    caption: str,
    even: float,
) -> Chart:
    """Return a chart of the router held against the ways of `_AGAINST`; those that are known nowhere are not drawn."""
    drawn = [way for way in _AGAINST if get(account.everything)[way[0]].known]
    scale = svg.Scale.cover(ends(get(row)[way[0]] for row in rows(account) for way in drawn), include=(even,))
    columns = ("Language", *(part for _, told, *_ in _AGAINST for part in (f"Against: {told}", "95% interval", "n")))
    body = [
        (label(row), [cell for way in _AGAINST for cell in estimate_cells(get(row)[way[0]], write, counted=True)])
        for row in rows(account)
    ]
    return Chart(
        name=name,
        title=title,
        description=description,
        table=Table(caption, columns, body),
        rows=[_against_row(row, get(row), write, scale, drawn, even) for row in rows(account)],
        axis=svg.axis(scale, [tick(value, write) for value in scale.ticks]),
        axis_title="Win rate" if write is rates else "Gain in reward",
        legend=_legend(drawn),
        style="wide",
    )


def _against_row(
    row: Language, found: Mapping[str, Estimate], write: Write, scale: svg.Scale, drawn: Sequence[_Way], even: float
) -> ChartRow:
    height = _STEP * max(1, len(drawn)) + 8
    marks = svg.grid(scale, height=height, reference=even)
    for place, (name, _, _, kind, shape) in enumerate(drawn):
        marks += mark(scale, found[name], y=_STEP * place + 12, kind=kind, shape=shape)
    readings = [reading(found[name], write, f"vs {short}", kind) for name, _, short, kind, _ in drawn]
    return ChartRow(label(row), svg.strip(marks, height=height), readings)


def _best(account: Account) -> str:
    return f"The best single teacher is {shorter(account.best_single)}. " if account.best_single else ""


def _legend(drawn: Sequence[_Way]) -> list[Key]:
    return [key(kind, shape, title) for _, title, _, kind, shape in drawn]
