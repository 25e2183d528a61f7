"""What a survey adds up to: practices by year and venue, languages by number of works, languages never named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from polylect import languages
from polylect.gap.language_names import display_name
from polylect.gap.survey.practice import PRACTICES
from polylect.gap.tags import known_facts

if TYPE_CHECKING:
    from polylect.gap.survey.files import Unread
    from polylect.gap.survey.surveying import Studied

__all__ = ["summary_of"]

_LISTED = 1000


def summary_of(read: Sequence[Studied], unread: Sequence[Unread]) -> dict[str, Any]:
    """Return the summary of a survey; see docs/survey.md for its fields."""
    per_language = Counter(tag for one in read for tag in one.languages)
    reasons = Counter(one.reason for one in unread)
    return {
        "documents": len(read),
        "by_kind": dict(Counter(one.work.kind for one in read).most_common()),
        "practices": {name: sum(one.practice == name for one in read) for name in PRACTICES},
        "bender": _bender(read),
        "years": _groups(read, "year", lambda one: one.work.year),
        "venues": _groups(read, "venue", lambda one: one.work.venue),
        "languages": _languages(per_language, sum(bool(one.languages) for one in read)),
        "classes": _classes(read, per_language),
        "never_named": _never_named(per_language),
        "unread": [{"source": one.source, "reason": one.reason} for one in unread[:_LISTED]],
        "unread_reasons": dict(reasons.most_common()),
        "unresolved": [],
    }


def _bender(read: Sequence[Studied]) -> dict[str, Any]:
    """Return how much English-only work says so, with Wilson's interval."""
    from polylect.resampling import wilson

    said, silent = (sum(one.practice == name for one in read) for name in ("english_said", "silent"))
    share, low, high = wilson(said, said + silent) if said + silent else (None, None, None)
    return {"english_only": said + silent, "said": said, "silent": silent, "share": share, "low": low, "high": high}


def _groups(read: Sequence[Studied], name: str, key: Callable[[Studied], Hashable]) -> list[dict[str, Any]]:
    """Return practices by year (in order) or by venue (the most works first); works without one come last."""
    groups = defaultdict(list)
    for one in read:
        groups[key(one)].append(one)
    entries = []
    for value, members in groups.items():
        counts = {practice: sum(one.practice == practice for one in members) for practice in PRACTICES}
        only = counts["english_said"] + counts["silent"]
        entries.append(
            {name: value, "documents": len(members), **counts, "share": counts["english_said"] / only if only else None}
        )
    if name == "year":
        return sorted(entries, key=lambda entry: (entry[name] is None, entry[name] or 0))
    return sorted(entries, key=lambda entry: (entry[name] is None, -entry["documents"], str(entry[name])))


def _languages(counts: Counter[str], naming: int) -> list[dict[str, Any]]:
    return [
        {
            "language": tag,
            "name": display_name(tag),
            **known_facts(tag, "script", "family", "resource_class", "speakers"),
            "documents": number,
            "share": number / naming,
        }
        for tag, number in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _classes(read: Sequence[Studied], counts: Counter[str]) -> list[dict[str, Any]]:
    """Return per resource class how many of the reviewed languages are named, and in how many works."""
    table = defaultdict(set)
    for row in languages.known():
        table[row.resource_class].add(row.tag)
    ordered = sorted(table, key=lambda one: (one is None, one or 0))
    return [
        {
            "resource_class": one,
            "languages": len(table[one]),
            "named": len(table[one] & counts.keys()),
            "documents": sum(not table[one].isdisjoint(work.languages) for work in read),
        }
        for one in ordered
    ]


def _never_named(counts: Counter[str]) -> dict[str, Any]:
    """Return the reviewed languages that no work names, those of the most people first."""
    table = languages.known()
    # Work on Chinese or Serbian seldom says the script: naming one row of a language names its rows in other scripts too.
    named = {tag.partition("-")[0] for tag in counts}
    missing = sorted((row for row in table if row.tag.partition("-")[0] not in named), key=lambda row: (-row.speakers, row.tag))
    return {
        "languages": len(missing),
        "of": len(table),
        "speakers": sum(row.speakers for row in missing),
        "list": [
            {"language": row.tag, "name": row.name, "speakers": row.speakers, "resource_class": row.resource_class}
            for row in missing
        ],
    }
