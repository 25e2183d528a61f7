"""MGSM: school arithmetic with a chain of thought, the same 250 questions in every language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from polylect.errors import EvaluationError
from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []


@dataclass(frozen=True)
class _Words:
    """What stands before a question and before its solution, and around the final number ("#")."""

    question: str
    solution: str
    answer: str


# lm-evaluation-harness 0.4.13, tasks/mgsm/utils.py, after the exemplars of the set itself. Corrected here: the harness writes
# the Russian solution label without its spaces, and looks for an English sentence in Bengali.
_WORDS = {
    "bn": _Words("প্রশ্ন:", "ধাপে ধাপে উত্তর:", "উত্তর হল #"),
    "de": _Words("Frage:", "Schritt-für-Schritt-Antwort:", "Die Antwort lautet #"),
    "en": _Words("Question:", "Step-by-Step Answer:", "The answer is #"),
    "es": _Words("Pregunta:", "Respuesta paso a paso:", "La respuesta es #"),
    "fr": _Words("Question :", "Réponse étape par étape :", "La réponse est #"),
    "ja": _Words("問題：", "ステップごとの答え:", "答えは#です。"),
    "ru": _Words("Задача:", "Пошаговое решение:", "Ответ — #"),
    "sw": _Words("Swali:", "Jibu la Hatua kwa Hatua:", "Jibu ni #"),
    "te": _Words("ప్రశ్న:", "దశలవారీగా సమాధానం:", "సమాధానం #"),
    "th": _Words("โจทย์:", "คำตอบทีละขั้นตอน:", "คำตอบคือ #"),
    "zh-Hans": _Words("问题：", "逐步解答:", "答案是 #。"),
}
# A label: letters, marks, spaces and hyphens up to a colon, at most six words.
_LABEL = re.compile(r"^[^\d:：]{1,40}[:：]\s*")


def _ask(item: Item, tag: str) -> Question:
    """The question with its label, and the label of a solution step by step (Shi et al. 2022, arXiv 2210.03057, section 3)."""
    if tag not in _WORDS:
        raise EvaluationError(
            f"mgsm: no prompt is known in {tag!r}; known are {', '.join(_WORDS)}. Ask in English: prompt language en."
        )
    words = _WORDS[tag]
    question = str(item.fields["question"])
    return Question(
        text=f"{words.question} {question}\n{words.solution}",
        answer=str(item.fields["solution"]) or str(item.fields["number"]),
        stop=(words.question,),
        pattern=words.answer,
    )


@benchmark(
    name="mgsm",
    hub_ids=("juletxara/mgsm",),
    kind="generate",
    metrics=("native", "strict", "flexible"),
    configs=("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"),
    columns={
        "question": Column(),
        "answer": Column(empty=True),
        "answer_number": Column("int"),
    },
    dev="train",
    shots=8,
    ask=_ask,
    translated=("question", "solution"),
    items="the split and the row number: the rows of all languages are translations in one order",
    licence="CC-BY-SA-4.0",
    citation="Shi et al. 2022, 'Language Models are Multilingual Chain-of-Thought Reasoners', arXiv 2210.03057",
    source="lm-evaluation-harness 0.4.13, task mgsm_native_cot",
)
def _read(row: Row) -> Iterator[Item]:
    """Take labels off the worked examples of the split train, whose question and answer begin with them."""
    worked = bool(row["answer"])
    question = _LABEL.sub("", row["question"], count=1) if worked else row["question"]
    yield Item(
        benchmark="mgsm",
        item=f"{row.split}:{row.number}",
        language=row.language,
        text=question,
        references=(str(row["answer_number"]),),
        fields={
            "question": question,
            "solution": _LABEL.sub("", row["answer"], count=1) if worked else "",
            "number": row["answer_number"],
        },
    )
