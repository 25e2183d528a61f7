"""World facts: verifiable questions and answers that are parallel across languages, made from CLDR and num2words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from polylect.errors import DataError
from polylect.prompts.kinds import NUM2WORDS, Drop, Fact, Kind, known_kinds
from polylect.prompts.names import Names
from polylect.prompts.packs import TEMPLATES, Pack, load_packs
from polylect.prompts.splits import UNSEEN, assign, draw
from polylect.records import Prompt
from polylect.verifiable import normalise

__all__ = ["WorldFacts", "few_shot", "world_facts"]


@dataclass(frozen=True, kw_only=True)
class WorldFacts:
    """The prompts and what was left out.

    `dropped` counts facts by "language: kind: reason"; `kinds` are the registered kinds by name.
    """

    prompts: list[Prompt]
    dropped: dict[str, int]
    kinds: dict[str, Kind]

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Return the number of prompts by (kind, language, split)."""
        return dict(Counter((p.kind, p.language, p.split) for p in self.prompts))


def world_facts(languages: Sequence[str], *, seed: int = 0, templates: Path = TEMPLATES) -> WorldFacts:
    """Build the world facts of `languages` (canonical BCP-47 tags) from the template files in `templates`.

    A language's prompts do not depend on which other languages are asked for, and an item has the same split in all.

    Raises:
        DataError: no language, or a missing or broken template file.
        LanguageError: a tag that names no known language.
    """
    if not languages:
        raise DataError("languages: empty, but world facts need at least one language, such as ['en', 'tr'].")
    found: dict[str, dict[str, list[Fact | Drop]]] = {}
    packs = load_packs(languages, templates)
    registered = known_kinds()
    for pack in packs:
        names = Names(pack)
        found[pack.language] = {name: list(kind.facts(names)) for name, kind in registered.items()}
    splits = _splits(registered, found, seed)
    prompts: list[Prompt] = []
    dropped: Counter[str] = Counter()
    for pack in packs:
        made, left_out = _language_prompts(pack, registered, found[pack.language], splits)
        prompts += made
        dropped.update(left_out)
    return WorldFacts(prompts=prompts, dropped=dict(sorted(dropped.items())), kinds=registered)


def few_shot(prompts: Iterable[Prompt], language: str, k: int, seed: int = 0) -> list[Prompt]:
    """Return `k` examples in `language` from the split "seed", one per kind in rotation.

    The same `seed` gives the same items in every language, as far as they have them.

    Raises:
        DataError: fewer than `k` examples are there.
    """
    by_kind: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        if prompt.language == language and prompt.split == "seed" and prompt.references:
            by_kind[prompt.kind].append(prompt)
    available = sum(map(len, by_kind.values()))
    if available < k:
        raise DataError(f"few_shot: {k} examples asked for, but {language!r} has {available} in the split 'seed'. Ask for fewer.")
    for rows in by_kind.values():
        rows.sort(key=lambda prompt: draw(seed, "few_shot", prompt.item))
    rotation = sorted(by_kind, key=lambda name: draw(seed, "few_shot", name))
    return [row for rank in range(k) for name in rotation for row in by_kind[name][rank : rank + 1]][:k]


def _splits(registered: dict[str, Kind], found: dict[str, dict[str, list[Fact | Drop]]], seed: int) -> dict[tuple[str, str], str]:
    """Map (family, group) to a split. Dropped facts count too, so that a language's coverage cannot move another's splits."""
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for by_kind in found.values():
        for name, facts in by_kind.items():
            if not registered[name].unseen:
                groups[registered[name].family].update(dict.fromkeys(fact.group or fact.key for fact in facts))
    return {(family, group): split for family in groups for group, split in assign(family, groups[family], seed).items()}


def _language_prompts(
    pack: Pack, registered: dict[str, Kind], found: dict[str, list[Fact | Drop]], splits: dict[tuple[str, str], str]
) -> tuple[list[Prompt], Counter[str]]:
    """Return the prompts of one language and the counts of what was dropped; a text asked twice is kept once."""
    texts: set[str] = set()
    prompts: list[Prompt] = []
    dropped: Counter[str] = Counter()
    for name, kind in registered.items():
        for fact in found[name]:
            reason = _unfit(pack, kind, fact)
            if isinstance(fact, Fact) and reason is None:
                prompt = _prompt(pack, kind, fact, UNSEEN if kind.unseen else splits[kind.family, fact.group or fact.key])
                if prompt.text not in texts:
                    texts.add(prompt.text)
                    prompts.append(prompt)
                    continue
                reason = "same question as another item"
            dropped[f"{pack.language}: {name}: {reason}"] += 1
    return prompts, dropped


def _unfit(pack: Pack, kind: Kind, fact: Fact | Drop) -> str | None:
    """Return why a fact gives no prompt in this language; None when it does."""
    if isinstance(fact, Drop):
        return fact.reason
    if kind.name not in pack.questions:
        return "no template for this kind"
    told = f" {normalise(' '.join(fact.slots.values()), pack.language)} "
    if any(f" {normalise(form, pack.language)} " in told for form in fact.references):  # as words of their own
        return "the question gives the answer away"
    return None


def _prompt(pack: Pack, kind: Kind, fact: Fact, split: str) -> Prompt:
    item = f"{kind.name}:{fact.key}"
    paraphrases = pack.questions[kind.name]
    text = paraphrases[draw(0, "paraphrase", item) % len(paraphrases)].format_map(fact.slots)
    text = text.replace("..", ".")  # a slot that ends in an abbreviation ("1951 г.") at the end of a sentence
    source, licence = _origin(kind.tool)
    return Prompt(
        item=item,
        language=pack.language,
        kind=kind.name,
        split=split,
        text=text,
        references=fact.references,
        source=source,
        licence=licence,
    )


@cache
def _origin(tool: str) -> tuple[str, str]:
    """Return the source of a kind's answers and the SPDX licence of its prompts (templates are Polylect's own)."""
    from importlib.metadata import version

    if tool == NUM2WORDS:
        return f"num2words {version('num2words')}", "Apache-2.0"
    return f"CLDR via Babel {version('babel')}", "Apache-2.0 AND Unicode-3.0"
