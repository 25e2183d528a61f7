"""What a person sees of a safety evaluation: the four outcomes per language, over-refusal beside them, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polylect.cli.printing import print_found

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.safety import SafetyEvaluation

__all__ = ["print_safety"]

_OUTCOMES = ("complied", "refused", "irrelevant", "wrong language")
_BY = ("category", "scope", "origin", "resource class")
_TOLD = 6
_NONE = "-"


def print_safety(evaluation: SafetyEvaluation) -> None:
    """Print the tables, what is not known and why, and where the files are; no text of a prompt or an answer."""
    from rich.console import Console

    console = Console()
    print_found(console, evaluation.found, "evaluation")
    document = evaluation.document
    if any(row["prompts"] == "harmful" for row in document["rows"]):
        console.print(_languages(document))
    beside = _beside(document)
    if beside is not None:
        console.print(beside)
    for by in _BY:
        table = _groups(document["rows"], by)
        if table is not None:
            console.print(table)
    for line in _lines(document):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"Written to {evaluation.out}", highlight=False, soft_wrap=True, markup=False)


def _languages(document: Mapping[str, Any]) -> Table:
    """Return the outcomes of harmful prompts: one line per language and one for the mean."""
    from rich.markup import escape

    summary = document["summary"]
    table = _outcome_table(
        f"{escape(summary['prompts']['name'])}: {escape(summary['model'])}, answers to harmful prompts, %", "language"
    )
    at = _whole(document, "harmful")
    for tag in _tags(at):
        table.add_row(*_outcomes(_label(at[tag, "complied"]), at, tag), style="bold" if tag == "mul" else "")
    return table


def _beside(document: Mapping[str, Any]) -> Table | None:
    """Return what stands beside the violations: how far they are above English, and how many harmless prompts are refused."""
    harmful, harmless = _whole(document, "harmful"), _whole(document, "harmless")
    gaps = any(row["over_english"] for row in harmful.values())
    if not gaps and not harmless:
        return None
    table = _table("Above English (points); harmless refused (%)")
    table.add_column("language", no_wrap=True)
    table.add_column("complied, above English", justify="right", no_wrap=True)
    table.add_column("over-refusal", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    for tag in _tags({**harmful, **harmless}):
        over = harmless.get((tag, "refused"))
        gap = _signed(harmful.get((tag, "complied")))
        cells = [_label(over or harmful[tag, "complied"]), gap, _cell(over), f"{over['n']:,}" if over else _NONE]
        table.add_row(*cells, style="bold" if tag == "mul" else "")
    return table


def _whole(document: Mapping[str, Any], prompts: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the rows over all prompts of a kind by (language, outcome)."""
    rows = [row for row in document["rows"] if row["by"] == "all" and row["prompts"] == prompts]
    return {(row["language"], row["outcome"]): row for row in rows}


def _label(row: Mapping[str, Any]) -> str:
    return f"mean of {row['languages']}" if row["language"] == "mul" else str(row["language"])


def _tags(at: Mapping[tuple[str, str], Any]) -> list[str]:
    """Return the languages in order, the mean last."""
    return sorted({tag for tag, _ in at}, key=lambda tag: (tag == "mul", tag))


def _groups(rows: Sequence[Mapping[str, Any]], by: str) -> Table | None:
    """Return the mean over languages for each group; None where there is but one group, or no number."""
    from rich.markup import escape

    own = [row for row in rows if (row["prompts"], row["by"], row["language"]) == ("harmful", by, "mul")]
    names = list(dict.fromkeys(row["group"] for row in own))
    if len(names) < 2 or all(row["value"] is None for row in own):
        return None
    table = _outcome_table(f"By {by}, mean over languages, %", by)
    at = {(row["group"], row["outcome"]): row for row in own}
    for name in names:
        table.add_row(*_outcomes(escape(name), at, name))
    return table


def _outcome_table(title: str, first: str) -> Table:
    table = _table(title)
    table.add_column(first, overflow="fold")
    table.add_column("complied", justify="right", no_wrap=True)
    for outcome in _OUTCOMES[1:]:
        table.add_column(outcome, justify="right", min_width=5)
    table.add_column("n", justify="right", no_wrap=True)
    return table


def _outcomes(label: str, at: Mapping[tuple[str, str], Mapping[str, Any]], name: str) -> list[str]:
    """Return a line: the violations with their interval, the other outcomes, and how many answers there are."""
    rows = [at[name, outcome] for outcome in _OUTCOMES]
    return [label, _cell(rows[0]), *(_value(row) for row in rows[1:]), f"{rows[0]['n']:,}"]


def _table(title: str) -> Table:
    from rich.table import Table

    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def _cell(row: Mapping[str, Any] | None) -> str:
    """Return a rate with its interval, or why there is none."""
    if row is None:
        return _NONE
    if row["value"] is None:
        return str(row["status"])
    if row["low"] is None:
        return _value(row)
    # Brackets are markup to rich unless they are escaped.
    return f"{_value(row)} \\[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _value(row: Mapping[str, Any] | None) -> str:
    return _NONE if row is None or row["value"] is None else f"{100 * row['value']:.1f}"


def _signed(row: Mapping[str, Any] | None) -> str:
    if row is None or row["over_english"] is None:
        return ""
    over = row["over_english"]
    ends = f" \\[{100 * over['low']:+.1f}, {100 * over['high']:+.1f}]" if over["low"] is not None else ""
    return f"{100 * over['value']:+.1f}{ends}"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield who decided, what has no outcome and why, how far sources differ, and the notes."""
    summary = document["summary"]
    rows = [row for row in _whole(document, "harmful").values() if row["outcome"] == "complied" and row["language"] != "mul"]
    known = [row for row in rows if row["value"] is not None]
    worst = max(known, key=lambda row: row["value"], default=None)
    if worst is not None and len(known) > 1 and worst["value"]:
        most = ", ".join(row["language"] for row in known if row["value"] == worst["value"])
        yield f"  most violations: {most} {_cell(worst)}".replace("\\[", "[")
    yield f"  outcomes by {_deciders(summary)}"
    for tag, count in summary["harm_lost"].items():
        yield f"  {tag}: {count:,} prompts whose translation lost the harm, not counted"
    for tag, count in summary["empty_answers"].items():
        yield f"  {tag}: {count:,} empty answers, counted as irrelevant"
    found = [(tag, reason, count) for tag, reasons in summary["unscored"].items() for reason, count in reasons.items()]
    for tag, reason, count in sorted(found, key=lambda one: -one[2])[:_TOLD]:
        yield f"  {tag}: {count:,} answers without an outcome: {_plain(reason)}"
    if len(found) > _TOLD:
        yield f"  and {len(found) - _TOLD} further reasons: see safety.json"
    for tag, content in summary["content_of_wrong_language"].items():
        if content.get("complied"):
            yield f"  {tag}: {content['complied']:,} of {sum(content.values()):,} answers in the wrong language complied there"
    for row in summary["disagreement"]:
        if row["agreement"] < 1:
            first, second = row["sources"]
            yield f"  {row['language']}: {first} and {second} agree in {row['agreement']:.0%} of {row['n']:,} answers"
    for row in summary["pairs"]:
        yield f"  {row['language']}: {row['told_apart']:,} of {row['n']:,} pairs of twins told apart"
    for note in document["notes"]:
        yield f"  note: {note}"


def _plain(reason: str) -> str:
    """Return why there is no outcome without the word for the row's status."""
    status, _, why = reason.partition(": ")
    return {"unparsed": why, "failed": f"no answer: {why}"}.get(status, reason)


def _deciders(summary: Mapping[str, Any]) -> str:
    """Return how many outcomes each kind of source decided, with the name of judge and detector."""
    from polylect.safety.judge_formats import FORMATS

    form = FORMATS.get(summary.get("judge_format") or "")
    counts: dict[str, int] = {}
    for found in summary["sources"].values():
        for source, count in found.items():
            counts[source] = counts.get(source, 0) + count
    said = {
        "judge": f"judge {summary['judge']}"
        + ("" if form is None or form.tells_refusals else f" (of what it calls safe the detector {summary['detector']})"),
        "detector": f"detector {summary['detector']}",
        "label": f"people's labels {summary['labels']}",
        "rule": "rule (empty answers)",
    }
    return ", ".join(f"{said[source]}: {count:,}" for source, count in counts.items()) or "nobody"
