"""The charts of the routing: which teacher answered best in which language, and what choosing per prompt gained."""

from __future__ import annotations

from polylect.records import MULTIPLE, Route
from polylect.report import svg, teacher_letters
from polylect.report.lookup import Lookup
from polylect.report.marks import key
from polylect.report.numerals import MISSING, count, percent
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table, language_label

__all__ = ["policies", "shares"]

_HEIGHT = 24
_ROW = 40
_POLICIES = (
    ("random", "Any teacher at random", "reference", "ring"),
    ("best_single", "Best single teacher", "second", "diamond"),
    ("routed", "Routed", "main", "circle"),
    ("oracle", "Best answer of the pool (oracle)", "limit", "tick"),
)


def shares(look: Lookup) -> Chart:
    """Share of the prompts that each teacher won, one stacked bar per language."""
    letters = teacher_letters.letters(route.model for route in look.data.routes)
    rows, body = [], []
    for label, routes in _languages(look):
        position, parts = 0.0, []
        for route in routes:
            letter = letters[route.model]
            parts.append(svg.segment(position, 100 * route.share, letter, height=_HEIGHT, kind=teacher_letters.colour(letter)))
            position += 100 * route.share
        top = max(routes, key=lambda route: route.share)
        rows.append(
            ChartRow(
                label, svg.strip(*parts, height=_HEIGHT), [Reading(percent(top.share), name=f"{letters[top.model]} {top.model}")]
            )
        )
        body += [(label, _route_cells(route, letters[route.model])) for route in routes]
    columns = ("Language", "Letter", "Teacher", "Answered", "Won", "Share", "Mean score")
    return Chart(
        name="shares",
        title="Which teacher's answer was chosen",
        description=(
            "Share of the prompts of a language on which a teacher's answer scored best. The value names the most chosen teacher."
        ),
        table=Table("Answers, wins and mean score of each teacher per language", columns, body),
        rows=rows,
        axis=svg.axis(svg.Scale(0, 1, (0, 0.25, 0.5, 0.75, 1)), ["0%", "25%", "50%", "75%", "100%"]),
        axis_title="Share of prompts",
        legend=[Key(teacher_letters.box(letter), model) for model, letter in letters.items()],
    )


def policies(look: Lookup) -> Chart:
    """Mean score of the chosen answers under four ways to choose: random, best single teacher, routed, oracle."""
    groups = _languages(look)
    scale = svg.Scale.cover(getattr(routes[0], name) for _, routes in groups for name, *_ in _POLICIES)
    body = [(label, [Cell(_score(getattr(routes[0], name))) for name, *_ in _POLICIES]) for label, routes in groups]
    return Chart(
        name="policies",
        title="What routing gained",
        description=(
            "Mean score, by the arbiter, of the answers that each way of choosing takes: any teacher at random, the one best "
            "teacher of the language for all its prompts, the routing of this run, and the best answer of the pool, which is "
            "the most that routing could reach."
        ),
        table=Table(
            "Mean score of four ways to choose an answer, per language",
            ("Language", *(title for _, title, *_ in _POLICIES)),
            body,
        ),
        rows=[_policy_row(scale, label, routes[0]) for label, routes in groups],
        axis=svg.axis(scale, [f"{tick:g}" for tick in scale.ticks]),
        axis_title="Mean score",
        legend=[key(kind, shape, title) for _, title, kind, shape in _POLICIES],
    )


def _policy_row(scale: svg.Scale, label: Label, route: Route) -> ChartRow:
    """The four ways to choose in one language, on a line from random to the oracle."""
    marks = svg.grid(scale, height=_ROW)
    marks += svg.line(scale.at(route.random), _ROW / 2, scale.at(route.oracle), _ROW / 2, "span")
    for name, _, kind, shape in _POLICIES:
        marks += svg.dot(scale, getattr(route, name), y=_ROW / 2, kind=kind, shape=shape)
    readings = [
        Reading(_score(route.routed), name="routed", kind="main"),
        Reading(_score(route.best_single), name="best single", kind="second"),
    ]
    return ChartRow(label, svg.strip(marks, height=_ROW), readings)


def _languages(look: Lookup) -> list[tuple[Label, list[Route]]]:
    """Languages that were routed, in the order of the report, then all of them together where that was measured."""
    groups = [(language_label(tag), look.routes(tag)) for tag in look.languages]
    groups.append((Label("All languages"), look.routes(MULTIPLE)))
    return [(label, routes) for label, routes in groups if routes]


def _route_cells(route: Route, letter: str) -> list[Cell]:
    return [
        Cell(letter, numeric=False),
        Cell(route.model, numeric=False),
        Cell(count(route.answered)),
        Cell(count(route.won)),
        Cell(percent(route.share)),
        Cell(_score(route.mean_score)),
    ]


def _score(value: float | None) -> str:
    return MISSING if value is None or value != value else f"{value:.3f}".replace("-", "\u2212")
