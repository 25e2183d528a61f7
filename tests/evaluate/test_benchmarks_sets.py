"""Every public set is read from its published columns: languages, subsets, ids, answers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from polylect.errors import EvaluationError
from polylect.evaluate import benchmarks
from polylect.evaluate.task_types import KINDS, Item

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = {
    "dolly-machine-translated": "aya_evaluation_suite",
    "dolly-human-edited": "aya_evaluation_suite",
    "aya-human-annotated": "aya_evaluation_suite",
    "cross-mmlu": "seaeval",
    "cross-logiqa": "seaeval",
    "mubench-en": "mubench",
    "mubench-cloze": "mubench",
}
# Name: (items, languages, subsets).
FOUND = {
    "aya-human-annotated": (4, "en tr yo", {""}),
    "cross-logiqa": (6, "en id zh-Hans", {""}),
    "cross-mmlu": (6, "en id zh-Hans", {""}),
    "dolly-human-edited": (6, "ar fr hi", {""}),
    "dolly-machine-translated": (10, "ar fr hi zh-Hans zh-Hant", {""}),
    "flores-200": (8, "sw zh-Hans", {"from English", "into English"}),
    "global-mmlu": (12, "de en sw tr", {"CA", "CS", "unannotated"}),
    "global-mmlu-lite": (6, "de en sw", {"CA", "CS"}),
    "include-base-44": (12, "fil id mk sq", {"Arts & Humanities", "Culture"}),
    "include-lite-44": (8, "fil id mk sq", {"Arts & Humanities", "Culture"}),
    "language-confusion": (9, "ar ja tr", {"crosslingual/okapi", "monolingual/aya"}),
    "m-arenahard": (6, "en hi tr", {""}),
    "m-arenahard-v2.0": (6, "en hi tr", {"coding", "creative"}),
    "m-rewardbench": (12, "ar de zh-Hans", {"Chat", "Chat Hard", "Reasoning", "Safety"}),
    "marco-mif": (3, "ar ms zh-Hans", {""}),
    "mgsm": (12, "bn de en ja", {""}),
    "mubench": (6, "en sw th", {"StoryClozeDataset"}),
    "mubench-cloze": (6, "en sw th", {"StoryClozeDataset"}),
    "mubench-en": (6, "en sw th", {"StoryClozeDataset"}),
    "multi-if": (3, "en es hi", {""}),
    "xcopa": (6, "it sw zh-Hans", {""}),
    "xstorycloze": (6, "en es sw", {""}),
    "xwinograd": (7, "en ja pt zh-Hans", {""}),
}
# Sets whose languages hold the same items, so that translations share their ids.
PARALLEL = {
    "cross-logiqa", "cross-mmlu", "dolly-human-edited", "dolly-machine-translated", "flores-200", "global-mmlu",
    "global-mmlu-lite", "m-arenahard", "m-arenahard-v2.0", "m-rewardbench", "marco-mif", "mgsm", "mubench", "mubench-cloze",
    "mubench-en", "multi-if", "xcopa", "xstorycloze",
}  # fmt: skip


def load(name: str, languages: list[str] | None = None) -> list[Item]:
    """Return the items of a set's fixture."""
    return list(benchmarks.get(name).load(FIXTURES / FOLDERS.get(name, name), languages))


def test_every_set_has_a_fixture_and_a_description() -> None:
    """All known sets are tested here; each says where it comes from, how its ids are made, and what its licence is."""
    assert benchmarks.names() == tuple(FOUND)
    for name in FOUND:
        entry = benchmarks.get(name)
        assert entry.kind in KINDS
        assert entry.hub_ids
        assert entry.metrics
        assert entry.items
        assert entry.licence
        assert "arXiv" in entry.citation
        assert (entry.render is None) != (entry.ask is None)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_rows_become_items(name: str) -> None:
    """Number, languages and subsets of the items are those of the files; ids are unique per language."""
    number, languages, subsets = FOUND[name]
    items = load(name)
    assert len(items) == number
    assert sorted({item.language for item in items}) == languages.split()
    assert {item.subset for item in items} == subsets
    assert max(Counter(item.key for item in items).values()) == 1
    assert all(item.benchmark == name and item.text and item.where for item in items)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_translations_share_their_ids(name: str) -> None:
    """In a parallel set every id is there in every language; in the others no id is there twice."""
    languages: dict[str, set[str]] = {}
    for item in load(name):
        languages.setdefault(item.item, set()).add(item.language)
    sizes = {len(found) for found in languages.values()}
    if name == "language-confusion":
        assert sizes == {1, 3}
    else:
        assert sizes == ({len(FOUND[name][1].split())} if name in PARALLEL else {1})


@pytest.mark.parametrize("name", sorted(FOUND))
def test_published_configurations_name_known_languages(name: str) -> None:
    """No configuration of a published set is lost for want of a language."""
    lost = [config for config in benchmarks.get(name).configs if benchmarks.language_of(config) is None]
    assert lost == []


def test_one_language_is_one_language() -> None:
    """Only the languages that are asked for are read, in any spelling, in the order asked."""
    assert [item.language for item in load("xcopa", ["zho_Hans", "it"])] == ["zh-Hans", "zh-Hans", "it", "it"]


def test_right_options_are_those_of_the_data() -> None:
    """Answers given as letter, number from 0 or 1, or text all become the index of the right option."""
    assert [item.answer for item in load("xwinograd", ["en"])] == [0, 1]
    assert [item.answer for item in load("xcopa", ["sw"])] == [0, 1]
    assert [item.answer for item in load("xstorycloze", ["es"])] == [0, 1]
    assert {item.options[item.answer or 0] for item in load("global-mmlu", ["de"])} == {"Bronze"}
    assert [item.answer for item in load("include-base-44", ["sq"])] == [0, 1, 2]
    assert {item.options[item.answer or 0] for item in load("cross-mmlu", ["id"])} == {"angin"}


def test_both_forms_of_include_give_the_same_item() -> None:
    """A question with a list of choices and one with four columns are the same question."""
    base, lite = (load(name, ["fil"])[0] for name in ("include-base-44", "include-lite-44"))
    assert (base.item, base.options, base.answer) == (lite.item, lite.options, lite.answer)


@pytest.mark.parametrize("folder", ["flores-200", "flores-plus", "flores-200-lines"])
def test_every_layout_of_flores_gives_the_same_pairs(folder: str) -> None:
    """One column per language, one file per language, and one line per sentence: both directions with English."""
    skipped: Counter[str] = Counter()
    items = list(benchmarks.get("flores-200").load(FIXTURES / folder, ["sw"], skipped=skipped))
    assert [(item.source_language, item.target_language, item.text, item.references[0]) for item in items[1:3]] == [
        ("en", "sw", "Nobody counted the gulls.", "Hakuna aliyehesabu shakwe."),
        ("sw", "en", "Mnara wa taa ulipakwa rangi mara mbili.", "The lighthouse was painted twice."),
    ]
    assert skipped == {"language 'ace_Latn' is not in the table of languages": 2}


def test_worked_examples_of_mgsm_lose_their_labels() -> None:
    """Questions and solutions of the split train come without "Frage:"; numbers are references."""
    first = next(benchmarks.get("mgsm").load(FIXTURES / "mgsm", ["de"], split="train"))
    assert first.fields["question"].startswith("Ana packt 2")
    assert first.fields["solution"] == "2 + 5 = 7. Die Antwort lautet 7."
    assert load("mgsm", ["bn"])[0].references == ("1030",)


def test_turns_carry_their_constraints() -> None:
    """Multi-IF's JSON columns become turns with instructions and arguments; an empty third turn is none."""
    english, spanish, hindi = load("multi-if", ["en", "es", "hi"])
    assert [len(item.turns) for item in (english, spanish, hindi)] == [3, 3, 2]
    assert english.turns[1].instructions == ("length_constraints:number_words", "keywords:existence")
    assert english.turns[1].arguments == ({"relation": "at least", "num_words": 20}, {"keywords": ["gull"]})
    assert english.item == hindi.item == "1019:16"
    assert load("marco-mif", ["ms"])[0].turns[0].arguments == ({}, {"relation": "at least", "num_sentences": 2})


def test_old_and_new_names_of_the_hub_are_one() -> None:
    """CohereForAI/* is CohereLabs/*; a repository with several sets asks which one."""
    assert benchmarks.get("CohereForAI/Global-MMLU") is benchmarks.get("CohereLabs/Global-MMLU")
    assert benchmarks.get("Global_MMLU").name == "global-mmlu"
    with pytest.raises(EvaluationError, match="several sets: aya-human-annotated, dolly-human-edited"):
        benchmarks.get("CohereLabs/aya_evaluation_suite")


def test_unknown_benchmark_names_the_nearest() -> None:
    """A slip of the pen is met with the name that was meant."""
    with pytest.raises(EvaluationError, match="Did you mean 'xstorycloze'"):
        benchmarks.get("xstorycloz")


def test_the_documentation_lists_every_set() -> None:
    """Who reads the documentation finds all names."""
    page = (Path(__file__).parents[2] / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in FOUND if f"`{name}`" not in page] == []


def test_fixtures_have_the_published_columns() -> None:
    """The fixtures of Global-MMLU have the seventeen columns that the set publishes, no more and no less."""
    row = json.loads((FIXTURES / "global-mmlu/sw/test.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(row) == [
        "sample_id", "subject", "subject_category", "question", "option_a", "option_b", "option_c", "option_d", "answer",
        "required_knowledge", "time_sensitive", "reference", "culture", "region", "country", "cultural_sensitivity_label",
        "is_annotated",
    ]  # fmt: skip
