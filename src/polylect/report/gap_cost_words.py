"""What the section on cost says in words: its lead, its first numbers, what is missing, where the text comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polylect import languages
from polylect.report.gap_labels import label_of, language, list_of, people, times
from polylect.report.gap_views import Block, Document, Figure
from polylect.report.numerals import count, percent

__all__ = ["figures", "lead", "missing", "sentences", "sources"]

_Row = Mapping[str, Any]


def lead(summary: Mapping[str, Any], number: int) -> list[str]:
    """Say what a premium is and what it was measured on."""
    reference = language(summary["reference"]).text
    return [
        f"A model is paid, timed and limited by tokens. The premium is how many times the tokens of {reference} a language takes "
        "to say the same: at 2, everything costs twice as much, takes twice as long, and half as much fits into the context. "
        f"Measured on the same text in {number} languages."
    ]


def figures(summary: Mapping[str, Any]) -> list[Figure]:
    """Return the first numbers: median premium, and the share of speakers who pay double; over several tokenizers, from to."""
    facts = [fact for fact in summary["tokenizers"] if fact["median_premium"] is not None]
    if not facts:
        return []
    which = facts[0]["name"] if len(facts) == 1 else f"{len(facts)} tokenizers"
    medians = sorted(fact["median_premium"] for fact in facts)
    reference = language(summary["reference"]).text
    detail = f"median of {facts[0]['languages']} languages; {which}"
    found = [Figure(_span([times(value) for value in medians]) + "×", f"the tokens of {reference}", detail)]
    doubled = sorted(value for fact in facts if (value := fact["speakers"]["share_at_least"].get("2")) is not None)
    if doubled:
        known = facts[0]["speakers"]["languages"]
        title = "of speakers pay double or more"
        found.append(Figure(_span([f"{100 * value:.0f}" for value in doubled]) + "%", title, f"of {known} languages; {which}"))
    return found


def _span(ascending: list[str]) -> str:
    return ascending[0] if ascending[0] == ascending[-1] else f"{ascending[0]}–{ascending[-1]}"


def sentences(by_tag: Mapping[str, Mapping[str, _Row]], summary: Mapping[str, Any]) -> list[str]:
    """Say per tokenizer which languages pay most and least, and how many people pay double."""
    found = []
    for fact in summary["tokenizers"]:
        rows = [own[fact["name"]] for own in by_tag.values() if fact["name"] in own]
        rows = sorted((row for row in rows if row["premium"] is not None), key=lambda row: -row["premium"])
        rows = [row for row in rows if row["language"] != summary["reference"]]
        if not rows:
            continue
        named = [f"{label_of(row).text} {times(row['premium'])}×" for row in rows[:3]]
        least = f"{label_of(rows[-1]).text} {times(rows[-1]['premium'])}×"
        text = f"Cost with {fact['name']}: costliest {', '.join(named)}; cheapest {least}."
        share = fact["speakers"]["share_at_least"].get("2")
        if share is not None:
            text += f" {percent(share)} of the speakers of {fact['speakers']['languages']} languages pay double or more."
        found.append(text)
    return found


def missing(by_tag: Mapping[str, Mapping[str, _Row]], summary: Mapping[str, Any]) -> list[Block]:
    """List what could not be measured, what rests on less than the whole text, and which large languages have no text."""
    found = []
    for fact in summary["tokenizers"]:
        if fact["not_measured"]:
            names = [label_of(next(iter(by_tag[tag].values()))).text for tag in fact["not_measured"] if tag in by_tag]
            found.append(f"No premium with {fact['name']} for {len(names)} languages: {list_of(names, 30)}. rows.csv says why.")
    absent = sorted((row for row in languages.known() if row.tag not in by_tag), key=lambda row: -row.speakers)
    if absent:
        named = [f"{row.name} ({people(row.speakers)})" for row in absent]
        found.append(f"No text in {len(absent)} of the {len(languages.known())} languages of the table: {list_of(named, 20)}.")
    rows = [next(iter(own.values())) for own in by_tag.values()]
    unknown = sum(row.get("speakers") is None for row in rows)
    if unknown:
        found.append(
            f"No number of speakers, family or resource class for {unknown} of {len(rows)} languages: they count in medians, and "
            "in nothing that is weighted by speakers."
        )
    noted = sum(bool(row["notes"]) for row in rows)
    if noted:
        found.append(f"{noted} languages rest on fewer items than the reference has, or carry another note; rows.csv has them.")
    return [Block("list", found, "Cost")] if found else []


def sources(document: Document) -> list[Block]:
    """List the text, the tokenizers with the fingerprints of their files, and the notes of the document."""
    summary = document["summary"]
    corpus = summary["corpus"]
    texts = f"{count(corpus['texts'])} texts in {corpus['languages']} languages"
    found = [f"Text: {corpus['source']}; {texts}. Bootstrap with seed {summary['seed']}."]
    found += [_tokenizer(fact) for fact in summary["tokenizers"]]
    notes = [note for note in document["notes"] if not note.startswith("Speakers, family")]
    return [Block("list", [*found, *notes], "Cost")]


def _tokenizer(fact: Mapping[str, Any]) -> str:
    extra = [f"context {count(fact['window'])} tokens"] if fact["window"] else []
    extra += [f"{fact['price']:g} per million tokens"] if fact["price"] is not None else []
    notes = "".join(f" {note[:1].upper()}{note[1:]}." for note in fact["notes"])
    return f"Tokenizer {fact['name']}: {', '.join([fact['kind'], 'fingerprint ' + str(fact['fingerprint']), *extra])}.{notes}"
