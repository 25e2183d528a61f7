"""Reading a model card: which languages it names, on which rung of the evidence ladder, and what it leaves open."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polylect.gap.card_file import CardFile, Value, child, open_card, sequence, text_of, values_of
from polylect.gap.card_levels import DENIED, level_of, level_of_phrase
from polylect.gap.card_lines import Unit, units_of
from polylect.gap.card_mentions import mentions, unnamed
from polylect.gap.evidence import LEVELS, Evidence, Unresolved, Unspecific
from polylect.gap.language_names import NOT_LANGUAGES, UNSPECIFIC, resolve

if TYPE_CHECKING:
    from yaml import Node

__all__ = ["Card", "read_card"]

_KEYS = ("language", "languages", "language_bcp47")
_SPLIT = re.compile(r"\s*[,;]\s*|\s+")
_COUNT = re.compile(
    r"\b(?:(?P<more>over|more than|at least|up to|around|about|nearly|some|~|>)\s*)?"
    r"(?P<number>\d{1,4}(?:,\d{3})?)\s*(?P<plus>\+)?\s+"
    r"(?!programming|coding|computer)(?:\w+[- ]){0,2}?languages\b",
    re.IGNORECASE,
)
_MULTILINGUAL = re.compile(
    r"\b(?:massively )?multi-?lingual\b|\b(?:many|multiple|dozens of|hundreds of|various|all) languages\b", re.IGNORECASE
)
_LONGEST = 160
_BLANKS = frozenset({"", "-", "–", "—", "no", "none", "n/a", "✗", "❌", "✘", "·", "0"})
_NO_LANGUAGE = "neither a code (ISO 639-1/2/3, BCP-47) nor a name of a known language"


@dataclass(frozen=True)
class Card:
    """What a model card says: evidence by language and level, words that name no language, claims without names, oddities."""

    source: str
    evidence: tuple[Evidence, ...]
    unresolved: tuple[Unresolved, ...]
    unspecific: tuple[Unspecific, ...]
    notes: tuple[str, ...]

    def languages(self, level: str) -> tuple[str, ...]:
        """Return the tags on a level, sorted."""
        return tuple(sorted({one.language for one in self.evidence if one.level == level}))


def read_card(path: Path, name: str | None = None) -> Card:
    """Read a model card, a Markdown file with or without front matter.

    Args:
        path: of the file.
        name: how evidence calls it; None: its file name.

    Raises:
        DataError: the file is missing, binary, or too large to be a card.
    """
    card = open_card(path)
    source = name or path.name
    notes = [note.replace(path.name, source, 1) for note in card.notes]
    unresolved: list[Unresolved] = []
    unspecific: list[Unspecific] = []
    evidence = [*_front_matter(card, source, unresolved, unspecific, notes), *_model_index(card, source)]
    units = list(units_of(card.lines, card.body))
    evidence += _text(units, source, notes)
    named = {level: {one.language for one in evidence if one.level == level} for level in LEVELS}
    unspecific += _unspecific(units, source, named)
    expected = ((unit, text) for unit in units for text in unnamed(unit) if text.lower() not in NOT_LANGUAGES | UNSPECIFIC)
    unresolved += [Unresolved(text=text, source=source, line=unit.line, reason=_NO_LANGUAGE) for unit, text in expected]
    return Card(source, tuple(_distinct(evidence)), tuple(unresolved), tuple(unspecific), tuple(notes))


def _front_matter(
    card: CardFile, source: str, unresolved: list[Unresolved], unspecific: list[Unspecific], notes: list[str]
) -> Iterator[Evidence]:
    """Yield what the key `language` claims; what it says that is no language goes to the lists."""
    values = list(card.salvaged)
    for key in _KEYS:
        node = child(card.head, key)
        if node is not None:
            found = list(_listed(node, key, source, notes))
            values += found
    if card.head is not None and not values:
        notes.append(f"{source}: the front matter names no language (`language:`).")
    seen: Counter[str] = Counter()
    for value in values:
        text = value.text.strip()
        if value.boolean:
            notes.append(f"{source}:{value.line}: unquoted {text!r} is true or false to YAML; it is read as a code. Quote it.")
        if text.lower() in UNSPECIFIC:
            unspecific.append(Unspecific(quote=f"language: {text}", source=source, line=value.line, count=None, level="claimed"))
        elif text.lower() in NOT_LANGUAGES:
            notes.append(f"{source}:{value.line}: {text!r} is not a human language; it is not counted.")
        elif (found_tags := resolve(text)) is None:
            unresolved.append(Unresolved(text=text, source=source, line=value.line, reason=_NO_LANGUAGE))
        else:
            for tag in found_tags.tags:
                seen[tag] += 1
                yield Evidence(
                    level="claimed", language=tag, source=source, kind="front matter", quote=f"language: {text}", line=value.line,
                    note=found_tags.note,
                )  # fmt: skip
    if twice := sorted(tag for tag, number in seen.items() if number > 1):
        notes.append(f"{source}: the front matter names {', '.join(twice)} more than once.")


def _listed(node: Node, key: str, source: str, notes: list[str]) -> Iterator[Value]:
    """Yield the values of `language:`; a string with several languages is taken apart, and its oddities are noted."""
    import yaml

    line = node.start_mark.line + 1
    if key != "language":
        notes.append(f"{source}:{line}: key {key!r} is read like 'language', which the hub's index reads.")
    if isinstance(node, yaml.MappingNode):
        notes.append(f"{source}:{line}: `{key}` is a mapping where a list is expected; its keys are read.")
    for value in values_of(node):
        parts = [part for part in _SPLIT.split(value.text) if part]
        if len(parts) > 1 and resolve(value.text) is None:
            notes.append(f"{source}:{value.line}: `{key}` has several languages in one string; it is taken apart.")
            commas = [part.strip() for part in re.split(r"[,;]", value.text) if part.strip()]
            chosen = commas if len(commas) > 1 else parts
            yield from (Value(part, value.line) for part in chosen)
        else:
            if isinstance(node, yaml.ScalarNode) and not value.boolean:
                notes.append(f"{source}:{value.line}: `{key}` is a string where a list is expected.")
            yield value


def _model_index(card: CardFile, source: str) -> Iterator[Evidence]:
    """Yield the languages of the results in `model-index`: a result with a value is an evaluation.

    The language is the data set's `config`, its argument `language`, or a code in brackets at the end of its name, as in
    huggingface_hub's EvalResult.
    """
    for model in sequence(child(card.head, "model-index")):
        for result in sequence(child(model, "results")):
            dataset = child(result, "dataset")
            named = text_of(child(dataset, "name"))
            bracket = re.search(r"\(([^()]+)\)\s*$", named)
            given = (
                text_of(child(child(dataset, "args"), "language")),
                text_of(child(dataset, "config")),
                bracket[1] if bracket else "",
            )
            found = next((one for text in given if text and (one := resolve(text))), None)
            metrics = [m for m in sequence(child(result, "metrics")) if text_of(child(m, "value"))]
            if found is None or not metrics:
                continue
            metric = f"{text_of(child(metrics[0], 'type'))} {text_of(child(metrics[0], 'value'))}"
            for tag in found.tags:
                yield Evidence(
                    level="evaluated", language=tag, source=source, kind="front matter", quote=f"model-index: {named}, {metric}",
                    line=metrics[0].start_mark.line + 1, note=found.note,
                )  # fmt: skip


def _text(units: list[Unit], source: str, notes: list[str]) -> Iterator[Evidence]:
    """Yield what the card's text says; what it denies or only mentions is counted in the notes."""
    denied: dict[str, int] = {}
    mentioned: dict[str, int] = {}
    for unit in units:
        for mention in mentions(unit):
            if ladder := _ladder(unit):
                for level in ladder:
                    for tag in mention.tags:
                        yield Evidence(level=level, language=tag, source=source, kind="table", line=unit.line, quote=unit.row)
                continue
            found_level, line = level_of(unit, mention), unit.line_at(mention.start)
            if found_level == DENIED or found_level is None:
                for tag in mention.tags:
                    (denied if found_level else mentioned).setdefault(tag, line)
                continue
            kind = "table" if unit.kind == "cell" else "text"
            for tag in mention.tags:
                yield Evidence(
                    level=found_level, language=tag, source=source, kind=kind, line=line, note=mention.note,
                    quote=_quoted(unit, mention.start, mention.end),
                )  # fmt: skip
    for what, found in (("excluded by the text", denied), ("named without saying what was done in them", mentioned)):
        if found:
            notes.append(f"{source}: {what}: " + ", ".join(f"{tag} (line {line})" for tag, line in sorted(found.items())) + ".")


def _ladder(unit: Unit) -> list[str] | None:
    """Return the levels that a row of an evidence table says yes to; None where the table has no two columns named by levels."""
    titles = [title.strip().lower().replace(" ", "-") for title in unit.head]
    if sum(title in LEVELS for title in titles) < 2:
        return None
    return [title for title, cell in zip(titles, unit.cells, strict=False) if title in LEVELS and cell.lower() not in _BLANKS]


def _quoted(unit: Unit, start: int, end: int) -> str:
    """Return the phrase around a mention, in at most 160 characters; a table cell with its header, an item with its intro."""
    text = " ".join(unit.text.split())
    if unit.kind == "cell":
        text = " ".join(unit.row.split())
    if unit.kind != "sentence" and unit.intro and len(text) < _LONGEST // 2:
        lead = " ".join(unit.intro.split())
        return f"{lead if len(lead) <= 80 else lead[:79] + '…'} {'›' if unit.kind == 'cell' else ''} {text}".replace("  ", " ")
    if len(text) <= _LONGEST:
        return text
    centre = (start + end) // 2
    begin = max(0, min(centre - _LONGEST // 2, len(text) - _LONGEST))
    return ("…" if begin else "") + text[begin : begin + _LONGEST].strip() + ("…" if begin + _LONGEST < len(text) else "")


def _unspecific(units: list[Unit], source: str, named: Mapping[str, set[str]]) -> Iterator[Unspecific]:
    """Yield claims about more languages than are named on their level, and the word "multilingual" where none is claimed by name.

    A number is given once per level, in the words that come first.
    """
    seen: set[tuple[int, str]] = set()
    vague = len(named["claimed"]) < 2
    for unit in units:
        for found in _COUNT.finditer(unit.text):
            number, line = int(found["number"].replace(",", "")), unit.line_at(found.start())
            level = level_of_phrase(unit.text, found.start(), unit) or "claimed"
            open_ended = bool(found["more"] or found["plus"]) and number == len(named[level])
            if number >= 2 and (number > len(named[level]) or open_ended) and (number, level) not in seen:
                seen.add((number, level))
                yield Unspecific(quote=_quoted(unit, *found.span()), source=source, line=line, count=number, level=level)
        word = _MULTILINGUAL.search(unit.text)
        if word and vague and not seen and unit.kind != "cell":
            vague = False
            line = unit.line_at(word.start())
            yield Unspecific(quote=_quoted(unit, *word.span()), source=source, line=line, count=None, level="claimed")


def _distinct(evidence: list[Evidence]) -> Iterator[Evidence]:
    """Yield each (level, language, line, kind) once: a sentence that names a language twice is one piece of evidence."""
    seen = set()
    for one in evidence:
        key = (one.level, one.language, one.line, one.kind)
        if key not in seen:
            seen.add(key)
            yield one
