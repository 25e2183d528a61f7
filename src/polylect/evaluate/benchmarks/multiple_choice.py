"""The prompt of exam questions: question, lettered options, a word for "answer"; the letters are scored."""

from __future__ import annotations

from polylect.evaluate.benchmarks.base import Choice
from polylect.evaluate.benchmarks.words import answer_label
from polylect.evaluate.task_types import Item

__all__ = ["LETTERS", "lettered"]

LETTERS = "ABCDEFGHIJ"


def lettered(item: Item, tag: str) -> Choice:
    r"""Return `QUESTION\nA. ...\nB. ...\nAnswer:` with one letter per option, behind a space.

    Hendrycks et al. 2021, "Measuring Massive Multitask Language Understanding", in the form that lm-evaluation-harness 0.4.13
    gives Global-MMLU. `item.fields` has the "question" and the options "option_a", "option_b", ...

    Raises:
        EvaluationError: the word for "answer" is not known in the language of the prompt.
    """
    letters = LETTERS[: len(item.options)]
    lines = [str(item.fields["question"]).strip()]
    lines += [f"{letter}. {item.fields[f'option_{letter.lower()}']}" for letter in letters]
    context = "\n".join([*lines, answer_label(tag)])
    return Choice(contexts=(context,) * len(letters), continuations=tuple(f" {letter}" for letter in letters))
