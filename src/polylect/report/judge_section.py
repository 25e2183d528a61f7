"""The section on a judge that is a language model: win rates with and without the language gate, and its certificate."""

from __future__ import annotations

from polylect.records import Comparison
from polylect.report.judge_data import JudgeData, JudgeRow
from polylect.report.lookup import Lookup
from polylect.report.marks import reading
from polylect.report.numerals import MISSING, count, interval, percent, points
from polylect.report.views import Cell, Table, language_label

__all__ = ["certificate", "gate", "spent"]

_STATUS = {"fit": "fit", "unfit": "judge unfit", "uncertified": "not certified"}


def gate(look: Lookup, judge: JudgeData) -> Table:
    """Win rate of the final model against the base per language, with and without the gate for wrong-language answers."""
    a, b = look.data.final_stage, look.data.base_stage
    ungated = {row.language: row for row in judge.ungated if (row.a, row.b) == (a, b)}
    rows = []
    for tag in look.languages:
        ours, theirs = judge.wrong_language.get((a, b, tag), (None, None))
        cells = [_rate(look.win_base(a, tag)), _rate(ungated.get(tag)), Cell(count(ours)), Cell(count(theirs))]
        rows.append((language_label(tag), cells))
    columns = ("Language", "Win rate", "Without the gate", "Wrong language, final", "Wrong language, base")
    return Table(f"{look.title(a)} against {look.title(b)}, by the judge", columns, rows)


def certificate(judge: JudgeData) -> Table:
    """What the judge is worth in each language."""
    columns = (
        "Language",
        "Judge",
        "Contests",
        "Both orders agree",
        "Unreadable",
        "First place, points",
        "Ties",
        "Kappa with its English",
        "Why",
    )
    return Table(f"Certificate of {judge.name}", columns, [(language_label(row.language), _cells(row)) for row in judge.rows])


def spent(judge: JudgeData) -> str:
    """What the verdicts took, in a sentence."""
    cost = f", {judge.cost:,.2f} US dollars" if judge.cost else ""
    return f"{count(judge.verdicts)} verdicts, {count(judge.tokens)} tokens{cost}."


def _cells(row: JudgeRow) -> list[Cell]:
    ends = interval(row.consistency_low, row.consistency_high)
    agree = f"{percent(row.consistency)}{f' ({ends})' if ends else ''}"
    kappa = MISSING if row.english is None else f"{row.english:.2f} (n = {count(row.english_n)})"
    return [
        Cell(_STATUS[row.status], numeric=False),
        Cell(count(row.contests)),
        Cell(agree),
        Cell(percent(row.unreadable)),
        Cell(points(row.first_place, name="score")),
        Cell(percent(row.ties)),
        Cell(kappa),
        Cell(row.why, numeric=False),
    ]


def _rate(row: Comparison | None) -> Cell:
    shown = reading(row)
    return Cell(f"{shown.text} ({shown.interval})" if shown.interval else shown.text)
