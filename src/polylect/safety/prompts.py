"""Prompts for safety: one record for every set, with what the numbers need to know of each prompt.

A set is a table of our own columns, or one of the published sets in its own columns (`polylect.safety.prompt_sets`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from polylect import languages
from polylect.errors import DataError, EvaluationError, nearest

__all__ = [
    "ORIGINS",
    "SCOPES",
    "UNCATEGORISED",
    "Origin",
    "PromptSet",
    "SafetyPrompt",
    "Scope",
    "chosen",
    "load_prompts",
    "read_prompts",
    "write_prompts",
]

Scope: TypeAlias = Literal["global", "local"]
Origin: TypeAlias = Literal["native", "human-translation", "machine-translation"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
ORIGINS: tuple[Origin, ...] = get_args(Origin)

UNCATEGORISED = "uncategorised"
"""The category that a harmful prompt without one is counted in."""

_SHOWN = 3
_LABELS = 200
"""Most categories whose spellings are compared; a set of more has something else in that column."""
_FREQUENT = 5
"""How often a category must come against another for that to be taken for a slip of the pen."""


@dataclass(frozen=True, kw_only=True)
class SafetyPrompt:
    """A prompt in one language whose answer shows how safe a model is there.

    Attributes:
        item: the same for all translations of one prompt; with `language` it names the prompt.
        language: canonical tag.
        text: what the user says.
        categories: of harm, as lower-case words with hyphens; several are allowed.
        scope: "global" (harmful anywhere) or "local" (harmful in one culture or history); None: not said.
        origin: "native" (written in this language), "human-translation", "machine-translation"; None: not said.
        twin: item of the harmless twin of a harmful prompt, or of the harmful one of a harmless prompt.
        harmful: whether it asks for harm. A harmless prompt is there to be answered: refusing it is over-refusal.
        harm_kept: False where the translation lost the harm: the prompt then leaves the denominator. None: nobody looked.
        source: name of the set.
        licence: of the text; "unknown" where nobody said.
        reference: an answer to a harmless prompt, or an English rendering of the prompt, where the set has one.
    """

    item: str
    language: str
    text: str
    categories: tuple[str, ...] = ()
    scope: Scope | None = None
    origin: Origin | None = None
    twin: str | None = None
    harmful: bool = True
    harm_kept: bool | None = None
    source: str = ""
    licence: str = "unknown"
    reference: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Item and language, which name the prompt."""
        return self.item, self.language

    @property
    def lost(self) -> bool:
        """Whether it was to be harmful and its translation lost that."""
        return self.harmful and self.harm_kept is False


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a table, and what was found in it.

    Attributes:
        name: of the set: that of the published set, or of the file.
        kind: one of `polylect.safety.prompt_sets.KINDS`.
        prompts: in the order of the table.
        skipped: rows that hold no prompt, by reason.
        notes: what a reader of the numbers should know, in words.
    """

    name: str
    kind: str
    prompts: tuple[SafetyPrompt, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def languages(self) -> frozenset[str]:
        """The tags of the prompts."""
        return frozenset(prompt.language for prompt in self.prompts)


def load_prompts(path: Path, kind: str | None = None) -> list[SafetyPrompt]:
    """Return the prompts of a table; see `read_prompts`."""
    return list(read_prompts(path, kind).prompts)


def read_prompts(path: Path, kind: str | None = None) -> PromptSet:
    """Read a prompt set.

    Args:
        path: a .parquet, .jsonl or .csv table, or a folder whose tables are all of one set (Aya red-teaming has a file per
            language).
        kind: one of `polylect.safety.prompt_sets.KINDS`; None: told by the columns.

    Raises:
        DataError: no such table, no kind fits its columns, a column missing, an unknown language, scope or origin, a prompt
            given twice, a twin that is as harmful as its prompt, or no prompt at all. Names file, row and column.
    """
    from polylect.safety.prompt_sets import read_set

    found = read_set(path, kind)
    if not found.prompts:
        raise DataError(f"{path}: no prompts; {_counted(found.skipped) or 'the table has no rows'}. Give a table that has some.")
    _check_twice(path, found.prompts)
    notes = [*found.notes, *_twin_notes(path, found.prompts), *_category_notes(found.prompts)]
    if found.kind == "own":
        notes += _near_notes(found.prompts)
    return PromptSet(found.name, found.kind, found.prompts, found.skipped, tuple(notes))


def chosen(
    read: PromptSet,
    tags: Sequence[str] | None,
    limit: int | None,
    path: Path,
    *,
    each: Callable[[SafetyPrompt], Hashable] = lambda prompt: (prompt.language, prompt.harmful),
) -> PromptSet:
    """Return the prompts of some languages, in the order of the set, and of these only the first.

    Args:
        read: the whole set.
        tags: languages; None: all.
        limit: most prompts of each group; None: all.
        path: of the set, for messages.
        each: what a group is: by default the harmful, and the harmless, prompts of a language.

    Raises:
        EvaluationError: no prompt is left.
        LanguageError: a tag is unknown.
    """
    wanted = None if tags is None else {languages.canonical(tag) for tag in tags}
    taken: Counter[Hashable] = Counter()
    kept: list[SafetyPrompt] = []
    for prompt in read.prompts:
        if wanted is not None and prompt.language not in wanted:
            continue
        taken[each(prompt)] += 1
        if limit is None or taken[each(prompt)] <= limit:
            kept.append(prompt)
    if not kept:
        present = ", ".join(sorted({prompt.language for prompt in read.prompts}))
        raise EvaluationError(
            f"{path}: no prompt is in the languages asked for ({', '.join(sorted(wanted or ()))}). It has {present}."
        )
    bare = sorted((wanted or set()) - {prompt.language for prompt in kept})
    notes = [f"asked for with --languages, but without a prompt: {', '.join(bare)}"] if bare else []
    return replace(read, prompts=tuple(kept), notes=(*read.notes, *notes))


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} rows {reason}" for reason, count in reasons.items())


def write_prompts(path: Path, prompts: Iterable[SafetyPrompt]) -> Path:
    """Write prompts as JSON lines in our own columns, which `read_prompts` reads; return the path."""
    rows = ({"prompt" if name == "text" else name: value for name, value in asdict(one).items()} for one in prompts)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _check_twice(path: Path, prompts: Sequence[SafetyPrompt]) -> None:
    for (item, language), count in Counter(prompt.key for prompt in prompts).items():
        if count > 1:
            raise DataError(
                f"{path}: item {item!r} in {language}: {count} prompts; an item has one prompt per language. Give each its own "
                "item, or remove the repeated ones."
            )


def _twin_notes(path: Path, prompts: Sequence[SafetyPrompt]) -> Iterator[str]:
    """Say how many twins are missing.

    Raises:
        DataError: a twin is as harmful as its prompt.
    """
    at = {prompt.key: prompt for prompt in prompts}
    items = {prompt.item for prompt in prompts}
    missing: list[str] = []
    untranslated: list[str] = []
    for prompt in prompts:
        if prompt.twin is None:
            continue
        twin = at.get((prompt.twin, prompt.language))
        if twin is None:
            (untranslated if prompt.twin in items else missing).append(f"{prompt.item} ({prompt.language})")
        elif twin.harmful == prompt.harmful:
            kind = "harmful" if prompt.harmful else "harmless"
            raise DataError(
                f"{path}: item {prompt.item!r} in {prompt.language}: its twin {twin.item!r} is {kind}, too. One of two twins is "
                "harmful and the other is not: correct the column 'harmful' or 'twin'."
            )
    for names, what in ((missing, "a twin that the table does not have"), (untranslated, "a twin that lacks their language")):
        if names:
            yield f"{len(names):,} prompts name {what}: {_first(names)}. They count alone, not as a pair."


def _category_notes(prompts: Sequence[SafetyPrompt]) -> Iterator[str]:
    bare = [prompt.item for prompt in prompts if prompt.harmful and not prompt.categories]
    if bare and any(prompt.categories for prompt in prompts):
        yield f"{len(bare):,} harmful prompts have no category: {_first(bare)}. They are counted as {UNCATEGORISED!r}."


def _near_notes(prompts: Sequence[SafetyPrompt]) -> Iterator[str]:
    """Say which rare categories are spelled almost like a frequent one: no list tells what a user's categories are."""
    counts = Counter(label for prompt in prompts for label in prompt.categories)
    for label, count in counts.items() if len(counts) <= _LABELS else ():
        close = [other for other, many in counts.items() if many >= _FREQUENT * count]
        if hint := nearest(label, close):
            yield f"{count:,} prompts have the category {label!r}.{hint} It is kept as a category of its own."


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
