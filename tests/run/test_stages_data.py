"""Drawing the prompts: the same items in every language, no item in two splits, kinds in balance."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from polylect import tables
from polylect.errors import DataError, RecipeError
from polylect.prompts import world_facts
from polylect.records import Prompt
from polylect.run import Context, Step
from polylect.run.stages import data
from polylect.run.stages.common import few_shots, load_prompts, order, sampling, write_drops

LANGUAGES = ("en", "tr", "hi")
ITEMS = {"seed": 20, "prompt": 30, "preference": 12, "validation": 9, "heldout": 25, "unseen": 8}


def prompt(item: str, language: str = "en", *, kind: str = "kind", split: str = "prompt") -> Prompt:
    """Return a prompt about an item."""
    return Prompt(
        item=item,
        language=language,
        kind=kind,
        split=split,
        text=f"{kind} {item} {language}?",
        references=("answer",),
        source="here",
        licence="CC0-1.0",
    )


def settings(**change: Any) -> dict[str, Any]:
    """Return the settings of the prompts step, some of them changed."""
    usual = {"source": "world-facts", "languages": list(LANGUAGES), "kinds": None, "unseen_kinds": None, "items": ITEMS}
    return {**usual, **change}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """The prompts step as the runner would start it, in three languages."""
    step = Step(name="prompts", function="polylect.run.stages.data:prompts", settings=settings(), seed=7)
    (tmp_path / "out").mkdir()
    return Context(step=step, inputs={}, out=tmp_path / "out", store=tmp_path / "store")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Prompt]:
    """The real world facts of three languages, drawn as the step draws them."""
    folder = tmp_path_factory.mktemp("prompts")
    step = Step(name="prompts", function="polylect.run.stages.data:prompts", settings=settings(), seed=7)
    context = Context(step=step, inputs={}, out=folder, store=folder)
    data.prompts(context)
    assert context.notes["rows"] == len(LANGUAGES) * sum(ITEMS.values())
    return tables.read(folder / "prompts.parquet", Prompt)


def test_every_split_has_its_number_in_every_language(drawn: list[Prompt]) -> None:
    """Each language gets exactly the items that the recipe asks for, in every split."""
    assert Counter((row.language, row.split) for row in drawn) == {
        (language, split): count for language in LANGUAGES for split, count in ITEMS.items()
    }


def test_no_item_is_in_two_splits(drawn: list[Prompt]) -> None:
    """An item that is trained on in one language is not evaluated in another."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in drawn:
        splits[row.item].add(row.split)
    assert {item: found for item, found in splits.items() if len(found) > 1} == {}


def test_languages_get_the_same_items(drawn: list[Prompt]) -> None:
    """The items of a split are nearly the same in all languages: only a fact that a language lacks is replaced."""
    for split, count in ITEMS.items():
        found = [{row.item for row in drawn if (row.language, row.split) == (tag, split)} for tag in LANGUAGES]
        assert len(set.intersection(*found)) >= 0.6 * count, split


def test_kinds_are_balanced(drawn: list[Prompt]) -> None:
    """Within a split the kinds that have enough items differ by at most one; unseen kinds are in no other split."""
    for language in LANGUAGES:
        counts = Counter(row.kind for row in drawn if (row.language, row.split) == (language, "heldout"))
        ranked = sorted(counts.values())
        assert ranked[-1] - ranked[0] <= 1, counts
    unseen = {row.kind for row in drawn if row.split == "unseen"}
    assert unseen
    assert not unseen & {row.kind for row in drawn if row.split != "unseen"}


def test_draw_takes_kinds_in_turn_and_items_in_one_order() -> None:
    """With the same items everywhere the languages get exactly the same ones; a scarce kind is filled up by the others."""
    rows = [prompt(f"a{n}", tag, kind="a") for n in range(20) for tag in ("en", "tr")]
    rows += [prompt(f"b{n}", tag, kind="b") for n in range(2) for tag in ("en", "tr")]
    chosen = data.draw(rows, {"prompt": 9}, seed=1)
    by_language = {tag: [row.item for row in chosen if row.language == tag] for tag in ("en", "tr")}
    assert by_language["en"] == by_language["tr"]
    assert Counter(item[0] for item in by_language["en"]) == {"a": 7, "b": 2}
    assert data.draw(list(reversed(rows)), {"prompt": 9}, seed=1) == chosen
    assert data.draw(rows, {"prompt": 9}, seed=2) != chosen
    assert data.draw(rows, {"heldout": 9}, seed=1) == []


def test_a_missing_item_does_not_move_the_others() -> None:
    """A fact that one language lacks costs that language one item and shifts nothing else."""
    rows = [prompt(f"i{n}", tag) for n in range(30) for tag in ("en", "tr")]
    full = data.draw(rows, {"prompt": 10}, seed=3)
    lost = next(row for row in full if row.language == "tr")
    found = data.draw([row for row in rows if row != lost], {"prompt": 10}, seed=3)
    before, after = ({row.item for row in part if row.language == "tr"} for part in (full, found))
    assert before - after == {lost.item}
    assert len(after) == 10


def test_validation_is_taken_from_heldout_by_item() -> None:
    """A share of the held-out items goes to the validation split, the same items in every language, no other split touched."""
    items = {"validation": 25, "heldout": 75}
    rows = [prompt(f"i{n}", tag, split="heldout") for n in range(800) for tag in ("en", "tr")]
    moved = [data._with_validation(row, items, 7) for row in rows]
    by_language = {tag: {row.item for row in moved if (row.language, row.split) == (tag, "validation")} for tag in ("en", "tr")}
    assert by_language["en"] == by_language["tr"]
    assert 0.2 < len(by_language["en"]) / 800 < 0.3
    assert {row.split for row in moved} == {"heldout", "validation"}
    assert [row.id for row in moved] == [row.id for row in rows]
    assert data._with_validation(prompt("x", split="prompt"), items, 7).split == "prompt"


FACTS = [
    prompt(f"{kind}:{number}", kind=kind, split="unseen" if kind == "marked" else split)
    for kind in ("a", "b", "marked")
    for number, split in enumerate(("seed", "prompt", "heldout", "heldout"))
]


@pytest.mark.parametrize(
    ("kinds", "unseen", "trained", "apart"),
    [
        (None, None, {"a", "b"}, {"marked"}),
        (["a"], None, {"a"}, {"marked"}),
        (["a"], ["b"], {"a"}, {"b"}),
        (None, ["b"], {"a"}, {"b"}),
        (None, ["b", "marked"], {"a"}, {"b", "marked"}),
    ],
)
def test_kinds_are_trained_on_or_kept_apart(
    kinds: list[str] | None, unseen: list[str] | None, trained: set[str], apart: set[str]
) -> None:
    """A kind is trained on or evaluated only; of a kind that is set apart, no item of a training split is used."""
    rows = data.of_kinds(FACTS, kinds, unseen)
    assert {row.kind for row in rows if row.split != "unseen"} == trained
    assert {row.kind for row in rows if row.split == "unseen"} == apart
    first = {row.item: row.split for row in FACTS}
    assert {first[row.item] for row in rows if row.split == "unseen"} <= {"heldout", "unseen"}
    assert {row.split for row in rows if row.kind in trained} == {"seed", "prompt", "heldout"}


@pytest.mark.parametrize(("kinds", "unseen"), [(["mrked"], None), (None, ["mrked"])])
def test_unknown_kind_names_the_nearest(kinds: list[str] | None, unseen: list[str] | None) -> None:
    """A misspelt kind is an error with the one that was meant and all there are."""
    with pytest.raises(RecipeError, match=r"no prompt is of kind 'mrked'\. Did you mean 'marked'\? Kinds: a, b, marked\."):
        data.of_kinds(FACTS, kinds, unseen)


def test_what_is_not_drawn_is_counted(context: Context) -> None:
    """Drawn and dropped prompts together are all there are; the texts for the vocabulary are those of all of them."""
    import json

    data.prompts(context)
    everything = world_facts(LANGUAGES, seed=7)
    drops = json.loads((context.out / "drops.json").read_text())
    rows = tables.read(context.out / "prompts.parquet", Prompt)
    assert drops["not drawn"] == len(everything.prompts) - len(rows)
    assert sum(drops.values()) == context.notes["dropped"]
    texts = json.loads((context.out / "vocabulary.json").read_text())
    assert set(texts) == set(LANGUAGES)
    assert {row.text for row in rows} <= {text for found in texts.values() for text in found}
    assert sum(map(len, texts.values())) > len(rows)


def test_same_seed_gives_the_same_table(context: Context, drawn: list[Prompt]) -> None:
    """Drawing again gives the same rows in the same order."""
    data.prompts(context)
    assert tables.read(context.out / "prompts.parquet", Prompt) == drawn


def from_files(tmp_path: Path, context: Context, **files: list[str]) -> list[Prompt]:
    """Run the prompts step on the user's own files, split -> JSON lines."""
    paths = {}
    for split, lines in files.items():
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        paths[split] = str(tmp_path / f"{split}.jsonl")
    step = Step(name="prompts", function=context.step.function, settings=settings(source="files"), paths=paths, seed=7)
    own = Context(step=step, inputs={}, out=context.out, store=context.store)
    data.prompts(own)
    return tables.read(own.out / "prompts.parquet", Prompt)


def test_own_files_get_the_split_of_their_role(tmp_path: Path, context: Context) -> None:
    """A file belongs to the split that the recipe names for it; its source and licence are noted."""
    line = '{"prompt": "%s", "language": "%s", "reference": "x", "licence": "CC0-1.0"}'
    rows = from_files(tmp_path, context, prompt=[line % ("a?", "en")], unseen=[line % ("b?", "tr")])
    assert {(row.text, row.language, row.split) for row in rows} == {("a?", "en", "prompt"), ("b?", "tr", "unseen")}


def test_own_files_in_another_language_are_refused(tmp_path: Path, context: Context) -> None:
    """A row in a language that the recipe does not train is an error, not silently left out."""
    with pytest.raises(DataError, match=r"prompts\.files: rows in fr, which the recipe's languages do not name"):
        from_files(tmp_path, context, prompt=['{"prompt": "a?", "language": "fr"}'])


def test_item_of_two_splits_is_refused(tmp_path: Path, context: Context) -> None:
    """A translation of a training item among the held-out ones would be leakage: the item and both splits are named."""
    line = '{"prompt": "%s", "language": "%s", "item": "q1"}'
    with pytest.raises(DataError, match="item 'q1' is in the splits 'prompt' and 'heldout'"):
        from_files(tmp_path, context, prompt=[line % ("a?", "en")], heldout=[line % ("b?", "tr")])


def test_prompts_are_loaded_by_split_and_language(context: Context) -> None:
    """A stage reads the splits and languages it asks for, and nothing else."""
    data.prompts(context)
    rows = load_prompts(context.out, {"seed", "unseen"}, {"tr"})
    assert Counter((row.split, row.language) for row in rows) == {("seed", "tr"): 20, ("unseen", "tr"): 8}
    assert len(load_prompts(context.out, {"seed"})) == 20 * len(LANGUAGES)


def test_few_shots_come_from_the_seed_split(context: Context) -> None:
    """Examples are seed items with their answers, of different kinds, in the language of the question."""
    data.prompts(context)
    shots = few_shots(context.out, LANGUAGES, 4, seed=7)
    assert shots is not None
    seeds = {(row.language, row.text): row for row in load_prompts(context.out, {"seed"})}
    for language, examples in shots.items():
        assert len({seeds[language, text].kind for text, _ in examples}) == 4
        assert all(answer == seeds[language, text].references[0] for text, answer in examples)
    assert few_shots(context.out, LANGUAGES, 0, seed=7) is None
    with pytest.raises(DataError, match="21 examples asked for"):
        few_shots(context.out, LANGUAGES, 21, seed=7)


def test_order_is_a_function_of_seed_and_parts() -> None:
    """The same everywhere, another for another seed or part."""
    assert order(7, "sample", "x") == order(7, "sample", "x")
    assert len({order(7, "x"), order(8, "x"), order(7, "y"), order(7, "x", "y")}) == 4


def test_sampling_is_greedy_unless_the_step_says_otherwise(context: Context) -> None:
    """The recipe's limits and stop texts are taken, the seed is the step's, and batch_size does not reach the sampling."""
    context.settings["generation"] = {"max_tokens": 9, "stop": ["\n"], "batch_size": 3}  # type: ignore[index]
    plain = sampling(context)
    assert (plain.max_tokens, plain.stop, plain.temperature, plain.samples, plain.seed) == (9, ("\n",), 0.0, 1, 7)
    warm = sampling(context, temperature=0.5, samples=4)
    assert (warm.temperature, warm.samples, warm.max_tokens) == (0.5, 4, 9)


def test_drops_are_written_sorted_and_counted(context: Context) -> None:
    """The file of drops names each reason with its count, and the manifest has the total."""
    write_drops(context, Counter({"b": 2, "a": 1}))
    assert (context.out / "drops.json").read_text() == '{\n "a": 1,\n "b": 2\n}\n'
    assert context.notes["dropped"] == 3
