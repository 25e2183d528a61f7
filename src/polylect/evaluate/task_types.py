"""What passes between benchmarks, prompting and scoring: one item of a benchmark, and the tasks that models are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from polylect.models.requests import Request

__all__ = [
    "KINDS",
    "NORMALISATIONS",
    "ChoiceTask",
    "GenerateTask",
    "Item",
    "Kind",
    "Normalise",
    "PromptLanguage",
    "Turn",
    "UnpromptedItem",
]

Kind: TypeAlias = Literal["choice", "generate", "translate", "pairwise", "instructions", "consistency", "reward", "confusion"]
"""How a benchmark is scored; see `polylect.evaluate.benchmarks.Benchmark`."""

KINDS: tuple[Kind, ...] = ("choice", "generate", "translate", "pairwise", "instructions", "consistency", "reward", "confusion")

Normalise: TypeAlias = Literal["none", "tokens", "characters", "bytes"]
"""What the log-likelihood of an option is divided by: nothing, or its length in tokens of the model, Unicode characters, or UTF-8
bytes. Tokens make a score depend on how the model cuts a language; characters are the `acc_norm` of lm-evaluation-harness."""

NORMALISATIONS: tuple[Normalise, ...] = ("none", "tokens", "characters", "bytes")

PromptLanguage: TypeAlias = Literal["native", "en", "translate"]
"""Language of what stands around an item: the item's own, English, or English around the item translated into English."""


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation to be held with a model, with the constraints that its answer must follow.

    `instructions` are the ids of IFEval (Zhou et al. 2023, arXiv 2311.07911) such as "length_constraints:number_words", and
    `arguments` their keyword arguments, in the same order.
    """

    text: str
    instructions: tuple[str, ...] = ()
    arguments: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Item:
    """One checked row of a benchmark in one language.

    Attributes:
        benchmark: name of the benchmark.
        item: id; the same for all translations of one item where the set allows it (`Benchmark.items` says how).
        language: canonical BCP-47 tag; for `kind` "translate" that of the pair which is not English.
        subset: part of the benchmark that is reported apart, "" if it has none.
        text: what is asked, told or to be translated: compared to choose similar examples, and shown in results.
        options: of a choice, in the order of the data.
        answer: index of the right option; None where there is no such thing.
        references: accepted answers; empty where there are none.
        turns: of a conversation (`kind` "instructions").
        group: examples are taken from the same group (the subject of a question); "": from all.
        source_language: of the text to translate, for `kind` "translate"; else "".
        target_language: of the translation, for `kind` "translate"; else "".
        fields: the values of the row that its prompt is made of, by column.
        where: file and row, for messages.
    """

    benchmark: str
    item: str
    language: str
    subset: str = ""
    text: str = ""
    options: tuple[str, ...] = ()
    answer: int | None = None
    references: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    group: str = ""
    source_language: str = ""
    target_language: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    @property
    def key(self) -> str:
        """Names the item in one language: benchmark, language or direction of translation, item."""
        languages = f"{self.source_language}>{self.target_language}" if self.source_language else self.language
        return "/".join((self.benchmark, languages, self.item))


@dataclass(frozen=True, kw_only=True)
class ChoiceTask:
    """One question to be answered by the log-likelihood of its options.

    The score of option i is log p(continuations[i] | contexts[i]). Most sets have one context; sets with partial scoring
    (XWinograd) have one per option and the same continuation. `context` is what all contexts share from their start.

    Attributes:
        item: the item that the task is made of.
        contexts: one per option, with all examples; not empty.
        continuations: one per option, beginning with the separator (a space), not empty.
        gold: index of the right option.
        labels: what the options are called in results ("A", ..., or their texts).
        normalise: what the log-likelihood is divided by (see `Normalise`); the space before an option is not counted.
        prompt_language: that of the prompt's own words.
        prompt_tag: the tag of that language.
        shots: ids of the items that serve as examples, in the order of the prompt.
    """

    item: Item
    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    gold: int
    labels: tuple[str, ...]
    normalise: Normalise = "none"
    prompt_language: PromptLanguage = "native"
    prompt_tag: str = ""
    shots: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """The pairs (context, continuation) to be scored, one per option."""
        return tuple(zip(self.contexts, self.continuations, strict=True))

    @property
    def shared(self) -> bool:
        """Whether all options have the same context."""
        return len(set(self.contexts)) == 1


@dataclass(frozen=True, kw_only=True)
class GenerateTask:
    """One question to be answered by generation: the request, and what ends and scores its answer.

    Attributes:
        item: the item that the task is made of.
        request: what the model is asked; its key is `Item.key`.
        stop: texts that end the answer.
        max_tokens: most new tokens of the answer.
        prompt_language: that of the prompt's own words.
        prompt_tag: the tag of that language.
        answer_pattern: for numbers: what stands before the final number ("The answer is"), in the prompt's language; else "".
        shots: ids of the items that serve as examples, in the order of the prompt.
    """

    item: Item
    request: Request
    stop: tuple[str, ...] = ()
    max_tokens: int = 512
    prompt_language: PromptLanguage = "native"
    prompt_tag: str = ""
    answer_pattern: str = ""
    shots: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnpromptedItem:
    """An item of which no prompt could be made, with the reason: it is counted and reported, not left out."""

    item: Item
    reason: str
