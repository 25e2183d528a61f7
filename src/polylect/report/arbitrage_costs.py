"""What an arbitrage cost per language and teacher, in dollars and tokens, and what became of its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from polylect.report import svg, teacher_letters
from polylect.report.arbitrage_data import Account, Language, Teacher
from polylect.report.arbitrage_marks import label, rows
from polylect.report.numerals import MISSING, count, dollars
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table, language_label

__all__ = ["budget", "costs"]

_BAR = 24
_FINEST = 1e-9
"""Least distance of ticks: dollars of a single cheap answer."""


def costs(account: Account) -> Chart:
    """Dollars per language, stacked by teacher; tokens where nothing has a price."""
    paid = account.everything.cost > 0
    amount: Callable[[Teacher], float] = (
        (lambda one: one.cost) if paid else (lambda one: one.prompt_tokens + one.completion_tokens)
    )
    letters = teacher_letters.letters(account.teachers)
    totals = [sum(map(amount, row.teachers.values())) for row in account.languages]
    scale = svg.Scale.cover(totals, include=(0.0,), most=5, finest=_FINEST if paid else 1.0)
    what = "US dollars at each teacher's price," if paid else "No teacher has a price. Tokens by each teacher's tokenizer,"
    return Chart(
        name="costs",
        title="Cost per language" if paid else "Tokens per language",
        description=f"{what} of prompts and all answers, taken or not, by teacher.",
        table=_table(account, letters),
        rows=[ChartRow(label(row), _stack(row, scale, letters, amount), [_reading(row, paid)]) for row in account.languages],
        axis=svg.axis(scale, [f"${tick:g}" if paid else count(round(tick)) for tick in scale.ticks]),
        axis_title="Cost" if paid else "Tokens",
        legend=[Key(teacher_letters.box(letter), name) for name, letter in letters.items()],
    )


def _stack(row: Language, scale: svg.Scale, letters: Mapping[str, str], amount: Callable[[Teacher], float]) -> Markup:
    total, parts = 0.0, [svg.grid(scale, height=_BAR)]
    for name, teacher in row.teachers.items():
        start, end = scale.at(total), scale.at(total + amount(teacher))
        if end > start:
            colour = teacher_letters.colour(letters[name])
            parts.append(svg.segment(start, end - start, letters[name], height=_BAR, kind=colour))
        total += amount(teacher)
    return svg.strip(*parts, height=_BAR)


def _reading(row: Language, paid: bool) -> Reading:
    tokens = f"{count(row.tokens)} tokens"
    return Reading(dollars(row.cost), name=tokens) if paid else Reading(tokens)


def _table(account: Account, letters: Mapping[str, str]) -> Table:
    body: list[tuple[Label, list[Cell]]] = []
    for row in rows(account):
        whole = [Cell("", numeric=False), Cell("all teachers", numeric=False)]
        body.append((label(row), [*whole, *_figures(row)]))
        for name, teacher in row.teachers.items():
            named = [Cell(letters[name], numeric=False), Cell(name, numeric=False)]
            body.append((label(row), [*named, *_figures(teacher)]))
    columns = ("Language", "Letter", "Teacher", "Tokens in", "Tokens out", "Cost")
    return Table("Tokens and cost of each teacher's answers", columns, body)


def _figures(row: Language | Teacher) -> list[Cell]:
    return [Cell(count(row.prompt_tokens)), Cell(count(row.completion_tokens)), Cell(dollars(row.cost))]


def budget(account: Account) -> Table | None:
    """Limit, spent and refused requests per language; None where there was no budget."""
    if not account.budget:
        return None
    tags = {row.tag for row in account.languages}
    body = [(language_label(tag), _spent(row)) for tag, row in account.budget.items() if isinstance(row, dict) and tag in tags]
    columns = ("Language", "Limit", "Spent", "Requests asked", "Refused, over the budget")
    return Table("Budget per language", columns, body)


def _spent(row: Mapping[str, Any]) -> list[Cell]:
    def amount(value: Any) -> str:
        if not isinstance(value, (int, float)):
            return MISSING
        return dollars(value) if row.get("unit") == "usd" else f"{count(round(value))} tokens"

    refused = row.get("refused")
    number = sum(refused.values()) if isinstance(refused, dict) else 0
    asked = row.get("asked")
    limit = "none" if row.get("limit") is None else amount(row["limit"])
    return [
        Cell(limit),
        Cell(amount(row.get("spent"))),
        Cell(count(asked) if isinstance(asked, int) else MISSING),
        Cell(count(number)),
    ]
