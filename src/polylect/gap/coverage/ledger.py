"""The ledger itself: sources in, one row per language and level out, blanks included, with the people behind each level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polylect.gap.cards import Card
from polylect.gap.coverage.requirements import missing_levels, parse_levels
from polylect.gap.coverage.sources import read_source
from polylect.gap.coverage.tables import Found, human_table, mixture_table, results_table, safety_table
from polylect.gap.document import make_document
from polylect.gap.evidence import LEVELS, Evidence
from polylect.gap.language_names import display_name, resolve
from polylect.gap.tags import canonical_tag, known_facts, known_language

__all__ = ["gap_coverage"]

_LIMITS = (
    "People are users of a language, first or second, in this script (CLDR 48). Who speaks several languages is counted in each: "
    "a sum over languages is an upper bound of the people reached, not a number of persons.",
    "Stated is what a card or recipe says; shown is what rows of a table or run hold. Neither says how good the model is.",
    "A blank means that the sources given here have no evidence. The provider may have more.",
)


def gap_coverage(
    paths: Iterable[Path | str] = (),
    *,
    mixture: Iterable[Path | str] = (),
    results: Iterable[Path | str] = (),
    human: Iterable[Path | str] = (),
    safety: Iterable[Path | str] = (),
    languages: Iterable[str] | None = None,
    require: Iterable[str] = (),
    measured_only: bool = False,
) -> dict[str, Any]:
    """Return the coverage ledger of one model as a document of kind "coverage" (`polylect.gap.document`).

    `rows` has one row per language and level; `state` is "shown", "stated" or "" (blank). `summary` has `levels` (languages and
    people per level), `evidence` (every piece, with file, line or rows, and phrase), `unresolved`, `unspecific`, `required`.

    Args:
        paths: model cards, model folders, runs of `polylect run`, result folders of `polylect eval`.
        mixture: tables of training data.
        results: tables of results.
        human: tables of people's judgements.
        safety: tables of safety tests; a column `mitigation` names what was done about them.
        languages: rows for these languages too, and with `require` for these alone; tags or names.
        require: levels that each of them (None: each claimed language) must have: "evaluated,safety-tested".
        measured_only: whether `require` takes rows alone for evidence.

    Raises:
        DataError: a source cannot be read, a level is unknown, or there is nothing to read or to check.
        LanguageError: a language of `languages` is unknown.
    """
    levels = parse_levels(require) if (require := tuple(require)) else ()
    asked = _asked(languages or ())
    found, cards, sources = _read(paths, {"mixture": mixture, "results": results, "human": human, "safety": safety})
    by_cell: dict[tuple[str, str], list[Evidence]] = {}
    for one in found.evidence:
        by_cell.setdefault((one.language, one.level), []).append(one)
    states = {cell: "shown" if any(one.shown for one in given) else "stated" for cell, given in by_cell.items()}
    tags = sorted({tag for tag, _ in by_cell} | set(asked), key=_by_people)
    rows = [_row(tag, level, by_cell.get((tag, level), [])) for tag in tags for level in LEVELS]
    claimed = [tag for tag in tags if (tag, "claimed") in states]
    required = missing_levels(levels, asked or claimed, states, measured_only=measured_only) if levels else None
    summary = {
        "sources": sources,
        "languages": len(tags),
        "levels": {level: _people(level, tags, states) for level in LEVELS},
        "unresolved": [asdict(one) for one in found.unresolved],
        "unspecific": [asdict(one) for card in cards for one in card.unspecific],
        "required": required.as_dict() if required else None,
        "evidence": [{"language": one.language, "level": one.level, **one.as_dict()} for one in found.evidence],
    }
    return make_document("coverage", rows, summary, [*found.notes, *_assumptions(found.evidence), *_LIMITS])


def _read(
    paths: Iterable[Path | str], tables: Mapping[str, Iterable[Path | str]]
) -> tuple[Found, list[Card], list[dict[str, str]]]:
    from polylect.errors import DataError

    readers = {"mixture": mixture_table, "results": results_table, "human": human_table, "safety": safety_table}
    found, cards, sources = Found(), [], []
    for path in map(Path, paths):
        one, read = read_source(path)
        found.add(one)
        cards += read
        sources.append({"path": str(path), "kind": "card" if path.is_file() else "folder"})
    for kind, given in tables.items():
        for path in map(Path, given):
            found.add(readers[kind](path))
            sources.append({"path": str(path), "kind": kind})
    if not sources:
        raise DataError("nothing to read: name a model card (README.md), a run, a result folder, or a table with --results.")
    return found, cards, sources


def _asked(languages: Iterable[str]) -> list[str]:
    """Return the tags of the languages that the user named, each once.

    Raises:
        LanguageError: one is neither a tag nor a name of a known language.
    """
    tags: list[str] = []
    for text in languages:
        found = resolve(text)
        tags += found.tags if found else (canonical_tag(text),)
    return list(dict.fromkeys(tags))


def _row(tag: str, level: str, evidence: Sequence[Evidence]) -> dict[str, Any]:
    return {
        "language": tag,
        "name": display_name(tag),
        **known_facts(tag, "script", "family", "resource_class", "speakers", "speakers_source"),
        "level": level,
        "state": "" if not evidence else "shown" if any(one.shown for one in evidence) else "stated",
        "sources": len(evidence),
        "rows": sum(one.rows or 0 for one in evidence) or None,
        "evidence": [one.link() for one in evidence],
    }


def _people(level: str, tags: Sequence[str], states: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return languages and people of a level; a language whose speakers are unknown is named, not guessed."""
    there = [tag for tag in tags if (tag, level) in states]
    known = {tag: row.speakers for tag in there if (row := known_language(tag))}
    return {
        "languages": len(there),
        "stated": sum(states[tag, level] == "stated" for tag in there),
        "shown": sum(states[tag, level] == "shown" for tag in there),
        "speakers": sum(known.values()) if known or not there else None,
        "speakers_shown": sum(number for tag, number in known.items() if states[tag, level] == "shown"),
        "speakers_unknown": [tag for tag in there if tag not in known],
    }


def _by_people(tag: str) -> tuple[int, str]:
    """Order languages by speakers, the most first; those whose number is unknown come last."""
    known = known_language(tag)
    return (-known.speakers if known else 1, tag)


def _assumptions(evidence: Iterable[Evidence]) -> list[str]:
    """Return what was assumed in reading names of languages, each assumption once with its source."""
    return list(dict.fromkeys(f"{one.source}: {one.note}." for one in evidence if one.note))
