"""Prompt language, examples and translation: what a model is given, and what results state about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import EvaluationError
from polylect.evaluate import benchmarks
from polylect.evaluate.example_choice import ExamplePool
from polylect.evaluate.prompting import Prompter, Task, load_examples
from polylect.evaluate.task_types import ChoiceTask, GenerateTask, Item, UnpromptedItem

FIXTURES = Path(__file__).parent / "fixtures"


class Failure:
    """A text that could not be translated."""

    reason = "no such language"


class Upper:
    """A translator whose English is upper case; it fails for one text."""

    name = "upper"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    def translate(self, texts: Sequence[str], source: str, target: str) -> Sequence[Any]:
        """Return the texts in upper case."""
        self.asked.append((source, target, len(texts)))
        return [Failure() if text == "shaba" and source == "sw" and len(texts) < 12 else f"EN {text.upper()}" for text in texts]


def tasks(name: str, languages: list[str], **settings: Any) -> list[Task | UnpromptedItem]:
    """Return the tasks of a fixture, with the examples that they need."""
    entry = benchmarks.get(name)
    shots = settings.get("shots", entry.shots)
    examples = None
    if shots:
        examples = load_examples(entry, FIXTURES / name, languages, prompt_language=settings.get("prompt_language"))
    return Prompter(entry, examples=examples, **settings).tasks(entry.load(FIXTURES / name, languages))


def choice(task: Task | UnpromptedItem) -> ChoiceTask:
    """Return the task if it is a choice."""
    assert isinstance(task, ChoiceTask)
    return task


def generate(task: Task | UnpromptedItem) -> GenerateTask:
    """Return the task if it is answered by generation."""
    assert isinstance(task, GenerateTask)
    return task


def test_native_words_and_english_words() -> None:
    """The prompt's own words follow the prompt language; the item stays in its language."""
    native = choice(tasks("global-mmlu", ["sw"], prompt_language="native", shots=0)[0])
    english = choice(tasks("global-mmlu", ["sw"], prompt_language="en", shots=0)[0])
    assert native.contexts[0].endswith("D. sufu\nJibu:")
    assert english.contexts[0].endswith("D. sufu\nAnswer:")
    assert (native.prompt_tag, english.prompt_tag) == ("sw", "en")
    assert choice(tasks("xcopa", ["it"], prompt_language="en")[0]).contexts[0] == "La barca ondeggiava because"


@pytest.mark.parametrize("name", ["global-mmlu", "include-base-44"])
def test_every_published_language_has_its_word_for_answer(name: str) -> None:
    """A native prompt can be made in all languages of the exam sets."""
    from polylect.evaluate.benchmarks.words import answer_label

    assert all(answer_label(tag) for tag in benchmarks.get(name).languages)


def test_fixed_examples_are_the_first_of_the_subject() -> None:
    """Examples are the first of the development split with the same subject, each with its answer."""
    task = choice(tasks("global-mmlu", ["tr"], shots=2)[1])
    assert task.item.group == "bell_history"
    assert task.shots == ("bell_history/dev/0", "bell_history/dev/1")
    assert task.contexts[0].count("\nAnswer: A\n\n") == 1
    assert task.shared


def test_similar_examples_are_the_nearest_by_characters() -> None:
    """The most similar example stands last; the same call gives the same examples."""

    def item(identifier: str, text: str) -> Item:
        return Item(benchmark="t", item=identifier, language="sw", text=text, answer=0, group=identifier)

    pool = ExamplePool(
        [item("a", "mnara wa taa"), item("b", "samaki wa bahari"), item("c", "mnara wa saa"), item("d", "MNARA  WA TAA")]
    )
    asked = item("q", "mnara wa taa mpya")
    assert [shot.item for shot in pool.choose(asked, 3, "similar")] == ["c", "d", "a"]
    assert [shot.item for shot in pool.choose(replace(asked, group="b"), 1, "fixed")] == ["b"]


def test_an_item_never_sees_itself() -> None:
    """INCLUDE has one split: the question that is asked is not among its own examples, nor is one of its text."""
    for task in tasks("include-base-44", ["id"], shots=1, selection="similar"):
        assert choice(task).item.item not in choice(task).shots
    for task in tasks("include-base-44", ["fil"], shots=1):
        assert choice(task).contexts[0].count(f"{choice(task).item.text}\n") == 1


def test_too_few_examples_are_an_error() -> None:
    """The message says how many there are and what to ask for."""
    with pytest.raises(EvaluationError, match=r"6 examples are asked for, the development split has 5 .*--shots 5"):
        tasks("global-mmlu", ["de"], shots=6)
    with pytest.raises(EvaluationError, match="has no examples"):
        Prompter(benchmarks.get("xwinograd"), shots=1)
    with pytest.raises(EvaluationError, match="has no examples"):
        load_examples(benchmarks.get("m-arenahard"), FIXTURES / "m-arenahard", ["en"])


def test_worked_solutions_in_the_language_of_the_prompt() -> None:
    """MGSM: native labels and solutions, or English ones around native questions (EN-CoT)."""
    native = generate(tasks("mgsm", ["de"])[0])
    assert native.request.text.startswith("Frage: Ana packt 30")
    assert native.request.text.endswith("\nSchritt-für-Schritt-Antwort:")
    assert native.request.shots[0][1] == "2 + 5 = 7. Die Antwort lautet 7."
    assert (native.answer_pattern, native.stop, len(native.shots)) == ("Die Antwort lautet #", ("Frage:",), 8)
    english = generate(tasks("mgsm", ["de"], prompt_language="en")[0])
    assert english.request.shots[0] == (
        "Question: Ana packt 2 Birnen und 5 Pflaumen ein. Wie viele Früchte sind es?\nStep-by-Step Answer:",
        "2 + 5 = 7. The answer is 7.",
    )
    assert english.answer_pattern == "The answer is #"


def test_english_solutions_that_are_missing_are_named() -> None:
    """Asked in English without the English examples, MGSM does not fall back to native solutions in silence."""
    entry = benchmarks.get("mgsm")
    examples = ExamplePool(entry.load(FIXTURES / "mgsm", ["de"], split="train"))
    prompter = Prompter(entry, prompt_language="en", examples=examples)
    with pytest.raises(EvaluationError, match="needs its English solution"):
        prompter.tasks(entry.load(FIXTURES / "mgsm", ["de"]))


def test_translated_items_are_asked_in_english() -> None:
    """Questions and options are translated, examples are the set's own English ones, what failed comes back with its reason."""
    translator = Upper()
    found = tasks("global-mmlu", ["sw"], prompt_language="translate", shots=1, translator=translator)
    first = choice(found[0])
    question = first.contexts[0].split("\n\n")
    assert question[0].startswith("Which metal did the invented Orlo guild")
    assert question[1].startswith("EN CHAMA CHA KUBUNI")
    assert question[1].endswith("A. EN SHABA\nB. EN KARATASI\nC. EN CHUMVI\nD. EN SUFU\nAnswer:")
    assert first.labels == ("EN SHABA", "EN KARATASI", "EN CHUMVI", "EN SUFU")
    assert first.item.language == "sw"
    assert first.prompt_tag == "en"
    assert translator.asked == [("sw", "en", 15)]


def test_an_item_that_cannot_be_translated_is_handed_back() -> None:
    """It is not asked and not lost."""
    entry = benchmarks.get("global-mmlu")
    items = list(entry.load(FIXTURES / "global-mmlu", ["sw"]))[:1]
    found = Prompter(entry, prompt_language="translate", shots=0, translator=Upper()).tasks(items)
    assert isinstance(found[0], UnpromptedItem)
    assert found[0].reason == "not translated (option_a): no such language"


def test_english_items_are_not_translated() -> None:
    """What is English already goes as it is, and nothing is asked of the translator."""
    translator = Upper()
    found = tasks("xstorycloze", ["en"], prompt_language="translate", translator=translator)
    assert choice(found[0]).contexts[0].startswith("Mira planted a lemon seed.")
    assert translator.asked == []


def test_results_state_how_they_were_asked() -> None:
    """Prompt language, translation, examples and normalisation are said in words."""
    entry = benchmarks.get("global-mmlu")
    assert Prompter(entry).describe() == {
        "prompt_language": "en",
        "translation": None,
        "shots": 5,
        "examples": "fixed",
        "normalise": "none",
        "prompt_source": entry.source,
    }
    own = Prompter(entry, prompt_language="translate", shots=0, translator=Upper(), self_translation=True)
    assert own.describe()["translation"] == "self-translate by upper"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("xwinograd", {"prompt_language": "translate", "translator": Upper()}, "cannot be translated one by one"),
        ("xcopa", {"prompt_language": "translate"}, "needs a translator"),
        ("flores-200", {"prompt_language": "native"}, "it is asked in en"),
        ("m-arenahard", {"prompt_language": "en"}, "it is asked in native"),
        ("xcopa", {"shots": -1}, "-1 examples are not possible"),
    ],
)
def test_ways_of_asking_that_do_not_exist(name: str, settings: dict[str, Any], message: str) -> None:
    """The error says in which ways the set can be asked."""
    with pytest.raises(EvaluationError, match=message):
        Prompter(benchmarks.get(name), **settings)


def test_translation_names_both_languages() -> None:
    """FLORES asks by the English names of the languages, with the direction in the key and examples of the same direction."""
    found = [generate(task) for task in tasks("flores-200", ["sw"], shots=1)]
    assert found[0].request.key == "flores-200/en>sw/devtest:1"
    assert "from English into Swahili" in found[0].request.text
    assert found[0].request.shots[0][1] == "Daraja huvuma usiku."
    assert "from Swahili into English" in found[-1].request.text
    assert found[-1].request.shots[0][1] == "The bridge hums at night."


def test_missing_english_examples_are_counted() -> None:
    """Examples that would be shown in English are looked for, and their absence is said."""
    skipped: Counter[str] = Counter()
    entry = benchmarks.get("xstorycloze")
    pool = load_examples(entry, FIXTURES / "xstorycloze/sw", ["sw"], prompt_language="translate", skipped=skipped)
    assert len(pool) == 2
    assert any(reason.startswith("English examples: ") for reason in skipped)
