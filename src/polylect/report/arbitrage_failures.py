"""What an arbitrage lacks, with reasons: answers that failed or were refused, prompts without an answer, rows left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polylect.report import svg
from polylect.report.arbitrage_data import Account
from polylect.report.arbitrage_marks import label, rows
from polylect.report.numerals import MISSING, count
from polylect.report.views import Cell, Chart, ChartRow, Label, Reading, Table, clip

__all__ = ["answers", "counts", "left_out", "prompts"]

_BAR, _MOST, _CHARACTERS = 24, 15, 120
_TABLES = {"scores": "Scores", "sft": "Fine-tuning rows (sft)", "pairs": "Preference pairs"}


def answers(account: Account) -> Chart | None:
    """Answers that failed or that a check refused, by reason; None where there are none."""
    reasons = sorted(counts(account.manifest, "reasons").items(), key=lambda one: -one[1])
    if not reasons:
        return None
    scale = svg.Scale.cover((number for _, number in reasons), include=(0.0,), most=5, finest=1.0)
    status = counts(account.manifest, "status")
    told = ", ".join(f"{count(status.get(name, 0))} {words}" for name, words in _STATUS.items())
    more = f" The {_MOST} most frequent reasons are drawn; the table has all {len(reasons)}." if len(reasons) > _MOST else ""
    return Chart(
        name="failed-answers",
        title="Answers that failed or were refused",
        description=f"{told}. Each keeps its row and its reason in completions.parquet.{more}",
        table=Table("Answers that failed or were refused, by reason", ("Reason", "Answers"), _counted(reasons)),
        rows=[
            ChartRow(
                _reason(reason),
                svg.strip(
                    svg.grid(scale, height=_BAR),
                    svg.bar(scale, 0, number, y=_BAR / 2, height=14, kind="bar second"),
                    height=_BAR,
                ),
                [Reading(count(number), kind="second")],
            )
            for reason, number in reasons[:_MOST]
        ],
        axis=svg.axis(scale, [count(round(tick)) for tick in scale.ticks]),
        axis_title="Answers",
    )


_STATUS = {"ok": "answers passed", "rejected": "were refused by a check", "failed": "failed"}


def prompts(account: Account) -> Table:
    """Prompts of which no answer was taken, by language and reason."""
    reasons = sorted(account.everything.not_taken, key=lambda reason: -account.everything.not_taken[reason])
    columns = ("Language", "Prompts", "Answer taken", "None taken", *(clip(reason, _CHARACTERS)[0] for reason in reasons))
    body = []
    for row in rows(account):
        numbers = [row.prompts, row.taken, row.prompts - row.taken, *(row.not_taken.get(reason, 0) for reason in reasons)]
        body.append((label(row), [Cell(count(number)) for number in numbers]))
    return Table("Prompts without an answer that could be taken, by reason", columns, body)


def left_out(account: Account) -> Table:
    """Everything that is in no table, or in fewer tables than it might be: what, why and how often."""
    manifest, body = account.manifest, []
    dropped = manifest.get("dropped")
    for name, words in _TABLES.items():
        found = counts(dropped, name) if isinstance(dropped, Mapping) else {}
        body += [(Label(words), reason, number) for reason, number in found.items()]
    table = manifest.get("prompts")
    if isinstance(table, Mapping):
        body += [(Label("Prompt table"), reason, number) for reason, number in counts(table, "dropped").items()]
        held = table.get("held_out")
        if isinstance(held, int) and held:
            body.append((Label("Prompt table"), "held out: neither asked nor learned from", held))
    body += [(Label("Prompts"), f"no teacher serves {tag}", number) for tag, number in counts(manifest, "unserved").items()]
    body += [(Label("Requests"), reason, number) for reason, number in _refused(manifest).items()]
    cells = [(head, [Cell(clip(reason, _CHARACTERS)[0], numeric=False), Cell(count(number))]) for head, reason, number in body]
    return Table("Left out of the tables, by reason", ("What", "Reason", "Number"), cells)


def counts(of: Any, key: str) -> dict[str, int]:
    """Return the counts by reason under a key; what is no count is passed over."""
    found = of.get(key) if isinstance(of, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {str(name): number for name, number in found.items() if isinstance(number, int) and number}


def _refused(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Add up the requests that were never made, over the stages."""
    found: dict[str, int] = {}
    stages = manifest.get("requests")
    for stage in stages.values() if isinstance(stages, Mapping) else ():
        for reason, number in counts(stage, "refused").items():
            found[f"not asked: {reason}"] = found.get(f"not asked: {reason}", 0) + number
    return found


def _counted(reasons: list[tuple[str, int]]) -> list[tuple[Label, list[Cell]]]:
    return [(_reason(reason), [Cell(count(number))]) for reason, number in reasons]


def _reason(text: str) -> Label:
    shown, omitted = clip(text, _CHARACTERS)
    return Label(f"{shown}…" if omitted else shown or MISSING)
