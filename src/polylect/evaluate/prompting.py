"""From items to what a model is given: prompt language, examples, and a task that can be scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from polylect.errors import DataError, EvaluationError
from polylect.evaluate.benchmarks.base import Benchmark, Choice, Question
from polylect.evaluate.example_choice import ExamplePool, Selection
from polylect.evaluate.item_translation import ENGLISH, Translates, check_translatable, translated
from polylect.evaluate.task_types import ChoiceTask, GenerateTask, Item, PromptLanguage, UnpromptedItem
from polylect.models.requests import Request

__all__ = ["Prompter", "Task", "load_examples"]

Task: TypeAlias = ChoiceTask | GenerateTask

EXAMPLE_END = "\n\n"
"""What stands between an example and the next one; as `fewshot_delimiter` of lm-evaluation-harness 0.4.13."""


def load_examples(
    entry: Benchmark,
    data: Path | str | None,
    languages: Sequence[str] | None,
    *,
    prompt_language: PromptLanguage | None = None,
    skipped: Counter[str] | None = None,
) -> ExamplePool:
    """Return the items that examples are chosen from: those of the development split, in the languages of the test.

    Where examples are shown in English (worked solutions around which the prompt is English, translated items) the set's own
    English examples are read, too. That they are not in the data is counted in `skipped`.

    Raises:
        EvaluationError: the set has no development split.
        DataError: it is not in the data.
    """
    if not entry.dev:
        raise EvaluationError(f"benchmark {entry.name!r}: it has no examples (no development split). Ask with --shots 0.")
    items = list(entry.load(data, languages, split=entry.dev, skipped=skipped))
    in_english = prompt_language == "translate" or (prompt_language == "en" and entry.kind == "generate")
    if in_english and ENGLISH in entry.languages and not any(item.language == ENGLISH for item in items):
        items += _english_examples(entry, data, items, Counter() if skipped is None else skipped)
    return ExamplePool(items)


def _english_examples(entry: Benchmark, data: Path | str | None, items: Sequence[Item], skipped: Counter[str]) -> list[Item]:
    """Return the English items of the development split; none where the data have none, which is counted."""
    try:
        english = list(entry.load(data, [ENGLISH], split=entry.dev))
    except DataError as error:
        skipped[f"English examples: {error}"] += 1
        return []
    # A file that names no language is read as the one asked for: the same rows cannot be English as well.
    if english and english[0].where in {item.where for item in items}:
        skipped["English examples: the data are of one language"] += 1
        return []
    return english


class Prompter:
    """Makes the tasks of one benchmark.

    Args:
        entry: the benchmark.
        prompt_language: of the prompt's own words: "native", "en", or "translate" (English, and the items translated into
            English by `translator`); None: the benchmark's own.
        shots: examples before each question; None: the benchmark's own number.
        selection: how examples are chosen; see `ExamplePool.choose`.
        examples: what they are chosen from (`load_examples`); needed where `shots` is not 0.
        translator: needed for "translate".
        self_translation: whether the translator is the tested model itself, to be stated in results.

    Raises:
        EvaluationError: the benchmark cannot be asked in this way.
    """

    def __init__(
        self,
        entry: Benchmark,
        *,
        prompt_language: PromptLanguage | None = None,
        shots: int | None = None,
        selection: Selection = "fixed",
        examples: ExamplePool | None = None,
        translator: Translates | None = None,
        self_translation: bool = False,
    ) -> None:
        self.entry = entry
        self.prompt_language: PromptLanguage = prompt_language or entry.prompt_language
        self.shots = entry.shots if shots is None else shots
        self.selection: Selection = selection
        self._examples = examples if examples is not None else ExamplePool()
        self._translator = translator
        self._self_translation = self_translation
        self._check()

    def describe(self) -> dict[str, Any]:
        """Return what results state about their prompts."""
        translation = None
        if self.prompt_language == "translate" and self._translator is not None:
            kind = "self-translate" if self._self_translation else "translate-test"
            translation = f"{kind} by {self._translator.name}"
        return {
            "prompt_language": self.prompt_language,
            "translation": translation,
            "shots": self.shots,
            "examples": self.selection if self.shots else None,
            "normalise": self.entry.normalise,
            "prompt_source": self.entry.source or None,
        }

    def tasks(self, items: Iterable[Item]) -> list[Task | UnpromptedItem]:
        """Return a task per item, in order; an item that could not be translated comes back with the reason.

        Raises:
            EvaluationError: there are too few examples, or the prompt's words are not known in a language.
        """
        originals = list(items)
        shots = [self._examples.choose(item, self.shots, self.selection) for item in originals]
        if self.prompt_language != "translate":
            return [self._task(item, chosen) for item, chosen in zip(originals, shots, strict=True)]
        ready = self._translated(originals)
        english = self._translated_examples(shots)
        return [
            item if isinstance(item, UnpromptedItem) else self._task(item, [english[id(shot)] for shot in chosen])
            for item, chosen in zip(ready, shots, strict=True)
        ]

    def _check(self) -> None:
        name = self.entry.name
        if self.entry.render is None and self.entry.ask is None:
            raise EvaluationError(f"benchmark {name!r}: it has no prompt.")
        if self.shots < 0:
            raise EvaluationError(f"benchmark {name!r}: {self.shots} examples are not possible. Give 0 or more.")
        if self.shots and not self.entry.dev:
            raise EvaluationError(f"benchmark {name!r}: it has no examples (no development split). Ask with --shots 0.")
        if self.prompt_language == "translate":
            check_translatable(self.entry)
            if self._translator is None:
                raise EvaluationError(f"benchmark {name!r}: the prompt language 'translate' needs a translator. Name one.")
        elif self.prompt_language not in self.entry.prompt_languages:
            known = " or ".join(self.entry.prompt_languages)
            raise EvaluationError(
                f"benchmark {name!r}: no prompt in the prompt language {self.prompt_language!r}; it is asked in {known}. "
                f"Give --prompt-language {self.entry.prompt_languages[0]}."
            )

    def _translated(self, items: Sequence[Item]) -> list[Item | UnpromptedItem]:
        assert self._translator is not None
        return translated(self.entry, items, self._translator)

    def _translated_examples(self, shots: Sequence[Sequence[Item]]) -> dict[int, Item]:
        """Map every chosen example to its English form: the set's own English item, else a translation.

        Raises:
            EvaluationError: an example could not be translated; without it the prompts of its items would differ from the others.
        """
        distinct = {id(shot): shot for chosen in shots for shot in chosen}
        own = {key: self._examples.counterpart(shot, ENGLISH) for key, shot in distinct.items()}
        missing = [key for key in distinct if own[key] is None]
        made = dict(zip(missing, self._translated([distinct[key] for key in missing]), strict=True)) if missing else {}
        english: dict[int, Item] = {}
        for key in distinct:
            found = own[key] or made[key]
            if isinstance(found, UnpromptedItem):
                raise EvaluationError(
                    f"{self.entry.name!r}: the example {found.item.item!r} in {found.item.language} was {found.reason}. "
                    "Ask with fewer examples (--shots), or with another translator."
                )
            english[key] = found
        return english

    def _task(self, item: Item, shots: Sequence[Item]) -> Task:
        tag = item.language if self.prompt_language == "native" else ENGLISH
        if self.entry.render is not None:
            return self._choice_task(item, shots, tag)
        return self._generate_task(item, shots, tag)

    def _choice_task(self, item: Item, shots: Sequence[Item], tag: str) -> ChoiceTask:
        """Put the examples, each with its right option, before the contexts."""
        assert self.entry.render is not None
        shown = "".join(self._solved(self.entry.render(shot, tag), shot) + EXAMPLE_END for shot in shots)
        prompt = self.entry.render(item, tag)
        # One text per distinct context: long examples are not held once per option.
        contexts = {context: shown + context for context in prompt.contexts}
        if item.answer is None:
            raise EvaluationError(f"{item.where}: item {item.item!r} has options and no right answer. Correct the row.")
        return ChoiceTask(
            item=item,
            contexts=tuple(contexts[context] for context in prompt.contexts),
            continuations=prompt.continuations,
            gold=item.answer,
            labels=item.options,
            normalise=self.entry.normalise,
            prompt_language=self.prompt_language,
            prompt_tag=tag,
            shots=tuple(shot.item for shot in shots),
        )

    @staticmethod
    def _solved(prompt: Choice, shot: Item) -> str:
        if shot.answer is None:
            raise EvaluationError(
                f"{shot.where}: item {shot.item!r} serves as an example and has no right answer. Correct the row."
            )
        return prompt.contexts[shot.answer] + prompt.continuations[shot.answer]

    def _generate_task(self, item: Item, shots: Sequence[Item], tag: str) -> GenerateTask:
        assert self.entry.ask is not None
        question = self.entry.ask(item, tag)
        solved = [self._example(shot, tag) for shot in shots]
        return GenerateTask(
            item=item,
            request=Request(key=item.key, text=question.text, shots=tuple((shot.text, shot.answer) for shot in solved)),
            stop=question.stop,
            max_tokens=self.entry.max_tokens,
            prompt_language=self.prompt_language,
            prompt_tag=tag,
            answer_pattern=question.pattern,
            shots=tuple(shot.item for shot in shots),
        )

    def _example(self, shot: Item, tag: str) -> Question:
        """Return an example; asked in English, a worked solution comes from the English item (EN-CoT, Shi et al. 2022).

        Raises:
            EvaluationError: the English examples of a set that has them are not there.
        """
        assert self.entry.ask is not None
        question = self.entry.ask(shot, tag)
        if tag == shot.language or self.prompt_language != "en" or ENGLISH not in self.entry.languages:
            return question
        if self.entry.kind != "generate":
            return question
        english = self._examples.counterpart(shot, ENGLISH)
        if english is None:
            raise EvaluationError(
                f"{self.entry.name!r}: asked in English, the example {shot.item!r} needs its English solution, which is not "
                "among the examples. Add the English development split to the data, or ask with --shots 0."
            )
        return Question(question.text, self.entry.ask(english, tag).answer)
