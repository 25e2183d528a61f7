"""Stages that make the ground: the prompts and the base model."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from polylect import tables
from polylect.errors import DataError, RecipeError, nearest
from polylect.records import Prompt
from polylect.run.context import Context
from polylect.run.safety_inputs import texts as safety_texts
from polylect.run.stages.common import about, load_prompts, order, write_drops

__all__ = ["base", "draw", "of_kinds", "prompts"]


def prompts(context: Context) -> None:
    """Draw the recipe's prompts: the same items in every language where they exist, balanced over kinds of question."""
    from polylect import prompts as sources

    settings = context.settings
    if settings["source"] == "world-facts":
        facts = sources.world_facts(settings["languages"], seed=context.seed)
        rows, drops = facts.prompts, Counter(facts.dropped)
    else:
        rows, drops = _from_files(context), Counter()
    rows = of_kinds(rows, settings["kinds"], settings["unseen_kinds"])
    drawn = draw([_with_validation(row, settings["items"], context.seed) for row in rows], settings["items"], context.seed)
    drops["not drawn"] += len(rows) - len(drawn)
    tables.write(context.out / "prompts.parquet", drawn, Prompt)
    (context.out / "vocabulary.json").write_text(json.dumps(_texts(rows), ensure_ascii=False))
    write_drops(context, drops)
    context.note(rows=len(drawn), sources=_sources(rows))


def of_kinds(rows: list[Prompt], kinds: list[str] | None, unseen: list[str] | None) -> list[Prompt]:
    """Keep the kinds of question that the recipe trains on and those it only evaluates.

    Of a kind that becomes unseen, only held-out items are used: a fact about the same city or country in another kind
    then lies outside the training splits too.

    Raises:
        RecipeError: a kind that no prompt has; the nearest one is named.
    """
    if kinds is None and unseen is None:
        return rows
    known = {row.kind for row in rows}
    for kind in [*(kinds or []), *(unseen or [])]:
        if kind not in known:
            raise RecipeError(
                f"prompts.kinds: no prompt is of kind {kind!r}.{nearest(kind, known)} Kinds: {', '.join(sorted(known))}."
            )
    marked = {row.kind for row in rows if row.split == "unseen"}
    apart = marked if unseen is None else set(unseen)
    trained = known - apart - marked if kinds is None else set(kinds) - apart
    kept = [row for row in rows if row.kind in trained]
    return kept + [replace(row, split="unseen") for row in rows if row.kind in apart and row.split in ("heldout", "unseen")]


def _from_files(context: Context) -> list[Prompt]:
    from polylect import prompts as sources

    rows = []
    for split, path in context.paths.items():
        rows += [replace(row, split=split) for row in sources.from_file(path)]
    splits: dict[str, str] = {}
    for row in rows:
        if splits.setdefault(row.item, row.split) != row.split:
            raise DataError(
                f"prompts.files: item {row.item!r} is in the splits {splits[row.item]!r} and {row.split!r}. "
                "An item and all its translations belong to one split; remove it from the other file."
            )
    foreign = sorted({row.language for row in rows} - set(context.settings["languages"]))
    if foreign:
        raise DataError(f"prompts.files: rows in {', '.join(foreign)}, which the recipe's languages do not name.")
    return rows


def _with_validation(row: Prompt, items: dict[str, int], seed: int) -> Prompt:
    """Move a share of the held-out items to the validation split: by item, so that no translation of it stays behind."""
    if row.split != "heldout":
        return row
    share = items["validation"] / (items["validation"] + items["heldout"])
    chosen = int(order(seed, "validation", row.item)[:8], 16) / 16**8 < share
    return replace(row, split="validation") if chosen else row


def draw(rows: Iterable[Prompt], items: dict[str, int], seed: int) -> list[Prompt]:
    """Draw `items[split]` prompts per language and split, kinds taken in turn, items in one random order for all languages."""
    groups: dict[tuple[str, str], dict[str, list[Prompt]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.language, row.split][row.kind].append(row)
    drawn = []
    for (_, split), kinds in sorted(groups.items()):
        ordered = [sorted(kinds[kind], key=lambda row: order(seed, row.item)) for kind in sorted(kinds)]
        turns = [row for turn in zip_longest(*ordered) for row in turn if row is not None]
        drawn += turns[: items.get(split, 0)]
    return drawn


def _texts(rows: Iterable[Prompt]) -> dict[str, list[str]]:
    """Return all texts of the domain per language: what a trimmed vocabulary must cover, drawn or not."""
    texts: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        texts[row.language].update([row.text, *row.references])
    return {language: sorted(found) for language, found in sorted(texts.items())}


def _sources(rows: Iterable[Prompt]) -> list[list[str]]:
    return [list(pair) for pair in sorted({(row.source, row.licence) for row in rows})]


def base(context: Context) -> None:
    """Bring the base model into the run: resolved, its vocabulary trimmed if asked, with the recipe's chat template."""
    from transformers import AutoTokenizer

    from polylect.models import link_checkpoint, resolve

    source = resolve(context.settings["model"])
    context.note(model=about(context.settings["model"], source))
    if context.settings["trim_vocabulary"]:
        _trim(context, source)
    else:
        link_checkpoint(source, context.out)
    tokenizer = AutoTokenizer.from_pretrained(context.out)
    template = context.settings["chat_template"]
    if template is not None:
        tokenizer.chat_template = template
        tokenizer.save_pretrained(context.out)


def _trim(context: Context, source: Path) -> None:
    from polylect.train.vocabulary import trim

    texts = json.loads((context.inputs["prompts"] / "vocabulary.json").read_text())
    blocks = [_layout_samples(load_prompts(context.inputs["prompts"], {"seed"}))]
    texts[next(iter(texts))] += [text for block in blocks for text in block]
    for tag, own in safety_texts(context.paths, texts).items():
        texts[tag] += own
    report = trim(source, texts, context.out)
    context.note(rows_before=report.rows_before, rows_after=report.rows_after)


def _layout_samples(rows: list[Prompt]) -> list[str]:
    """Return texts with the line breaks of the chat template and of few-shot prompts, which the facts alone lack."""
    return [f"{row.text}\n{row.references[0]}\n\n{row.text}\n" for row in rows]
