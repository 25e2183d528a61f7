"""From sentences in one language each to translation items, both directions with one language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from polylect import languages
from polylect.evaluate.task_types import Item

__all__ = ["pairs"]


def pairs(pivot: str, sentences: Mapping[str, Sequence[Item]], wanted: Sequence[str], notes: Counter[str]) -> Iterator[Item]:
    """Yield for every wanted language the items that translate from the pivot, then those that translate into it.

    `Item.language` is the language that is not the pivot in both, `subset` the direction ("from English", "into English"), so
    that means over languages are means of one direction. Sentences that one side lacks are counted in `notes`.

    Args:
        pivot: tag of the language that all others are paired with.
        sentences: items of one language each, by language.
        wanted: tags to pair; the pivot among them is passed over.
        notes: counts what has no partner.
    """
    name = languages.get(pivot).name
    known = {item.item: item for item in sentences[pivot]}
    for tag in wanted:
        if tag == pivot:
            continue
        both = [(known[item.item], item) for item in sentences[tag] if item.item in known]
        unpaired = len(known) + len(sentences[tag]) - 2 * len(both)
        if unpaired:
            notes[f"sentence without a partner in {tag} or {pivot}"] += unpaired
        yield from (_directed(here, there, tag, f"from {name}") for here, there in both)
        yield from (_directed(there, here, tag, f"into {name}") for here, there in both)


def _directed(source: Item, target: Item, tag: str, direction: str) -> Item:
    return replace(
        source,
        language=tag,
        subset=direction,
        references=(target.text,),
        source_language=source.language,
        target_language=target.language,
    )
