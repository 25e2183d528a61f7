"""The charts of an arbitrage's answers: whose were taken, what they are worth, and how many are in a wrong language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from polylect.report import svg, teacher_letters
from polylect.report.arbitrage_data import Account, Estimate, Language
from polylect.report.arbitrage_marks import (
    Write,
    ends,
    estimate_cells,
    label,
    mark,
    of,
    rates,
    reading,
    rows,
    shorter,
    tick,
    values,
)
from polylect.report.numerals import MISSING, count, percent
from polylect.report.views import Cell, Chart, ChartRow, Key, Label, Reading, Table

__all__ = ["everywhere", "regret", "rewards", "shares", "teacher_rewards", "wrong_language"]

_ROW, _BAR, _BESIDE = 28, 24, 12
_STRONGEST = 0.42
"""Opacity of the shade behind the best teacher's reward."""


def shares(account: Account) -> Chart:
    """Share of the answers taken by teacher: one stacked bar per language."""
    letters = teacher_letters.letters(account.teachers)
    body = [
        (label(row), [Cell(letters[name], numeric=False), Cell(name, numeric=False), *_taken_cells(row, name)])
        for row in rows(account)
        for name in row.teachers
    ]
    columns = ("Language", "Letter", "Teacher", "Asked", "Scored", "Taken", "Share", "95% interval")
    return Chart(
        name="shares",
        title="Whose answers were taken",
        description=(
            "Each teacher's share of the answers taken in a language. The value is that of the most taken teacher, with its 95% "
            "interval."
        ),
        table=Table("Prompts that each teacher was asked, has a scored answer to, and whose answer was taken", columns, body),
        rows=[ChartRow(label(row), _stack(row, letters), [_most_taken(row, letters)]) for row in rows(account)],
        axis=svg.axis(svg.Scale(0, 1, (0, 0.25, 0.5, 0.75, 1)), ["0%", "25%", "50%", "75%", "100%"]),
        axis_title="Share of answers taken",
        legend=[Key(teacher_letters.box(letter), name) for name, letter in letters.items()],
        style="wide",
    )


def _stack(row: Language, letters: dict[str, str]) -> Markup:
    position, parts = 0.0, []
    for name, teacher in row.teachers.items():
        width = 100 * (teacher.share.value or 0.0)
        if width:
            colour = teacher_letters.colour(letters[name])
            parts.append(svg.segment(position, width, letters[name], height=_BAR, kind=colour))
        position += width
    return svg.strip(*parts, height=_BAR)


def _most_taken(row: Language, letters: dict[str, str]) -> Reading:
    known = [name for name, teacher in row.teachers.items() if teacher.share.value]
    if not known:
        return Reading(MISSING, name="nothing taken")
    name = max(known, key=lambda one: row.teachers[one].share.value or 0.0)
    return reading(row.teachers[name].share, rates, f"{letters[name]} {shorter(name, _BESIDE)}")


def _taken_cells(row: Language, name: str) -> list[Cell]:
    teacher = row.teachers[name]
    return [*(Cell(count(n)) for n in (teacher.asked, teacher.scored, teacher.taken)), *estimate_cells(teacher.share, rates)]


def everywhere(account: Account) -> list[str]:
    """Return the teachers that have a reward in every language."""
    return [name for name in account.teachers if all(of(row, name).reward.known for row in account.languages)]


def teacher_rewards(account: Account, compared: Sequence[str]) -> Table:
    """Mean reward of each teacher's own answers, language by language; the best is marked, and better ones are shaded more.

    Over all languages only the `compared` teachers are ranked: the mean of a few easy languages says nothing of the others.
    """
    body = []
    for row in rows(account):
        ranked = compared if row is account.everything else account.teachers
        known = {name: value for name in ranked if (value := of(row, name).reward.value) is not None}
        cells = [_reward_cell(of(row, name).reward, _rank(known, name)) for name in account.teachers]
        body.append((label(row), cells))
    return Table("Mean reward of each teacher's own answers", ("Language", *account.teachers), body)


def _rank(known: Mapping[str, float], name: str) -> float:
    """Return where a teacher lies between the worst (0) and the best (1); 0 for one that is not compared."""
    if name not in known:
        return 0.0
    low, high = min(known.values()), max(known.values())
    return (known[name] - low) / (high - low) if high > low else 1.0


def _reward_cell(estimate: Estimate, rank: float) -> Cell:
    if not estimate.known:
        return Cell(MISSING)
    said = reading(estimate, values)
    text = f"{said.text} ({said.interval})" if said.interval else said.text
    shade = f"rgba(0, 114, 178, {_STRONGEST * rank:.2f})"
    return Cell(text, shade=shade, mark="▲" if rank == 1 else "", spoken="best in the row" if rank == 1 else "")


def rewards(account: Account) -> Chart:
    """Mean reward of the answers taken, per language."""
    return _points(
        account,
        lambda row: row.reward,
        values,
        name="rewards",
        title="Reward of the answers taken",
        description="Mean score by the arbiter, in its own unit, of the answers taken. Lines are 95% intervals.",
        table="Mean reward of the answers taken",
        axis_title="Mean reward",
    )


def regret(account: Account) -> Chart:
    """What the pool's best answer would have added, per language."""
    return _points(
        account,
        lambda row: row.regret,
        values,
        name="regret",
        title="Regret against the oracle",
        description=(
            "What always taking the best answer of the pool would have added to the mean reward; 0 is perfect. A router that "
            "asks all teachers has none; a fused answer can be better than all of the pool, which makes the regret negative. "
            "Lines are 95% intervals."
        ),
        table="Mean reward of the pool's best answers minus that of the router's",
        axis_title="Regret",
    )


def wrong_language(account: Account) -> Chart:
    """Share of the answers taken that are in another language, per language; the table has every teacher's."""

    def cells(row: Language) -> list[Cell]:
        others = (percent(of(row, name).wrong_language.value) for name in account.teachers)
        return [*estimate_cells(row.wrong_language, rates, counted=True), *map(Cell, others)]

    return _points(
        account,
        lambda row: row.wrong_language,
        rates,
        name="wrong-language",
        title="Answers in a wrong language",
        description=(
            "Share of the answers taken that were found to be in another language than their prompt, of those where it could be "
            "told. The table has the share of every teacher's answers, taken or not. Lines are 95% intervals."
        ),
        table=Table(
            "Share of answers in a wrong language: of those taken, and of each teacher's",
            ("Language", "Taken", "95% interval", "n", *account.teachers),
            [(label(row), cells(row)) for row in rows(account)],
        ),
        axis_title="In a wrong language",
    )


def _points(
    account: Account,
    get: Callable[[Language], Estimate],
    write: Write,
    *,
    name: str,
    title: str,
    description: str,
    table: Table | str,
    axis_title: str,
) -> Chart:
    """Return a chart of one estimate per language; `table` is its table, or the caption of one made of the estimates."""
    listed: list[tuple[Label, Estimate]] = [(label(row), get(row)) for row in rows(account)]
    scale = svg.Scale.cover(ends(one for _, one in listed), include=(0.0,))
    if isinstance(table, str):
        columns = ("Language", axis_title, "95% interval", "n")
        table = Table(table, columns, [(head, estimate_cells(one, write, counted=True)) for head, one in listed])
    drawn = [(head, svg.grid(scale, height=_ROW) + mark(scale, one, y=_ROW / 2), one) for head, one in listed]
    return Chart(
        name=name,
        title=title,
        description=description,
        table=table,
        rows=[
            ChartRow(head, svg.strip(marks, height=_ROW), [reading(one, write, "" if one.known else "not known", "main")])
            for head, marks, one in drawn
        ],
        axis=svg.axis(scale, [tick(value, write) for value in scale.ticks]),
        axis_title=axis_title,
    )
