"""What the section on performance says in words: lead, first numbers, what is missing, sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polylect import languages
from polylect.report.gap_labels import language, list_of, measured, people
from polylect.report.gap_units import Unit
from polylect.report.gap_views import Block, Document, Figure
from polylect.report.numerals import count

__all__ = ["figures", "lead", "missing", "sentences", "sources"]

_Row = Mapping[str, Any]


def lead(summary: _Row) -> list[str]:
    """Say what is compared."""
    reference = language(summary["reference"]).text
    return [
        f"Scores of the same benchmark in each language, against {reference} and against the best language. Equivalent is a "
        f"language whose interval lies above {summary['theta']:g} of the score of {reference}; open is one whose interval holds "
        "that limit: the items were too few to tell."
    ]


def figures(groups: Sequence[_Row]) -> list[Figure]:
    """Return the first number: how far the mean of the other languages is behind English on the first benchmark, from to."""
    found = _with_gap(groups)
    if not found:
        return []
    own = next(iter(found.values()))
    unit = Unit.of(own[0]["bounds"])
    first, last = (unit.difference(one["gap_english"]["value"]) for one in (own[0], own[-1]))
    which = own[0]["model"] if len(own) == 1 else f"{len(own)} models"
    detail = f"{which} on {measured(own[0])}; mean of the other languages"
    return [Figure(first if first == last else f"{first} to {last}", "points behind English", detail)]


def _with_gap(groups: Sequence[_Row]) -> dict[tuple[str, str], list[_Row]]:
    """Groups that have a gap, by benchmark and metric, the smallest gap first."""
    found: dict[tuple[str, str], list[_Row]] = {}
    for group in groups:
        if group["gap_english"]["value"] is not None:
            found.setdefault((group["benchmark"], group["metric"]), []).append(group)
    return {kind: sorted(own, key=lambda group: group["gap_english"]["value"]) for kind, own in found.items()}


def sentences(summary: _Row) -> list[str]:
    """Say per benchmark how far the models are behind English; of one model also the worst language and the equivalent ones."""
    if len(summary["models"]) == 1:
        return [_sentence(group) for group in summary["groups"]]
    found = []
    for own in _with_gap(summary["groups"]).values():
        unit = Unit.of(own[0]["bounds"])
        ends = [f"{unit.difference(one['gap_english']['value'])} ({one['model']})" for one in (own[0], own[-1])]
        found.append(f"Performance on {measured(own[0])}: {len(own)} models are {' to '.join(ends)} points behind English.")
    return found


def _sentence(group: _Row) -> str:
    unit = Unit.of(group["bounds"])
    english, gap, worst, said = group["english"], group["gap_english"], group["worst"], group["equivalence"]
    text = f"Performance of {group['model']} on {measured(group)}: "
    text += f"English {unit.value(english['value'])}, " if english else "no score in English, "
    if gap["value"] is not None:
        text += f"the others {unit.difference(gap['value'])} points behind on average, "
    text += f"worst {language(worst['language']).text} {unit.value(worst['value'])}. " if worst else ""
    judged = sum(len(said[state]) for state in ("yes", "no", "open"))
    if judged:
        text += f"Equivalent: {len(said['yes'])} of {judged} languages; not: {len(said['no'])}; open: {len(said['open'])}."
    return text.strip()


def missing(summary: _Row, rows: Sequence[_Row]) -> list[Block]:
    """List languages without a score or interval, rows of no use with their reasons, and large languages not evaluated."""
    found = []
    for group in summary["groups"]:
        if group["unscored_languages"]:
            named = list_of([language(tag).text for tag in group["unscored_languages"]], 30)
            found.append(f"{group['model']}, {measured(group)}: no score in {named}.")
        if not group["english"]:
            found.append(f"{group['model']}, {measured(group)}: no score in the reference, so no gap can be given.")
    bare = {row["language"] for row in rows if row["score"] is not None and row["low"] is None}
    if bare:
        found.append(f"No interval for {list_of([language(tag).text for tag in sorted(bare)], 20)}: the source has no items.")
    for title, counts in (("Rows without a score", summary["unscored_reasons"]), ("Rows of no use", summary["left_out"])):
        if counts:
            found.append(f"{title}: {'; '.join(f'{reason}: {count(number)}' for reason, number in counts.items())}.")
    for one in summary["unresolved"]:
        found.append(f"Not resolved to a language: “{one['text']}” ({count(one['rows'])} rows in {one['source']}).")
    evaluated = {row["language"] for row in rows}
    absent = sorted((row for row in languages.known() if row.tag not in evaluated), key=lambda row: -row.speakers)
    if absent:
        large = list_of([f"{row.name} ({people(row.speakers)})" for row in absent], 12)
        found.append(f"Not evaluated: {len(absent)} of the {len(languages.known())} languages of the table: {large}.")
    return [Block("list", found, "Performance")] if found else []


def sources(document: Document) -> list[Block]:
    """List the files with their rows, the seed, the premiums' origin, and the notes."""
    summary = document["summary"]
    found = [f"{one['kind'].capitalize()}: {one['source']}, {count(one['rows'])} rows" for one in summary["sources"]]
    found.append(f"Bootstrap with seed {summary['seed']}.")
    if summary["premiums"]:
        found.append(f"Tokenization premiums: {summary['premiums']['tokenizer']}, {summary['premiums']['source']}")
    return [Block("list", [*found, *document["notes"]], "Performance")]
