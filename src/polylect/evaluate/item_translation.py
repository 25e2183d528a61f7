"""Items translated into English before they are asked: translate-test, or self-translate by the tested model itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from polylect.errors import EvaluationError
from polylect.evaluate.benchmarks.base import Benchmark
from polylect.evaluate.task_types import Item, UnpromptedItem

__all__ = ["Translates", "check_translatable", "translated"]

ENGLISH = "en"


class Translates(Protocol):
    """What is needed of a translator; those of `polylect.models.translators` are such."""

    name: str

    def translate(self, texts: Sequence[str], source: str, target: str) -> Sequence[Any]:
        """Return per text its translation, or a failure with a `reason`."""


def check_translatable(entry: Benchmark) -> None:
    """Check that a set can be translated item by item.

    Raises:
        EvaluationError: it cannot: its scoring hangs on the wording, or it is about languages.
    """
    if not entry.translated:
        raise EvaluationError(
            f"benchmark {entry.name!r}: its items cannot be translated one by one (the scoring hangs on their wording, or on "
            "their language). Ask with the prompt language native or en."
        )


def translated(entry: Benchmark, items: Iterable[Item], translator: Translates) -> list[Item | UnpromptedItem]:
    """Return the items with the texts of their prompt in English, in the same order; `language` stays what it was.

    Etxaniz et al. 2023, "Do Multilingual Language Models Think Better in English?" (arXiv 2308.01223): translate-test with a
    translation system, self-translate with the tested model. Options are translated one by one. English items stay as they are;
    an item of which any text could not be translated, or became empty, is handed back as unprompted, with the reason.
    """
    rows = list(items)
    by_language: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for place, item in enumerate(rows):
        if item.language != ENGLISH:
            by_language[item.language] += [(place, name) for name in entry.translated if str(item.fields.get(name) or "")]
    fields = [dict(item.fields) for item in rows]
    faults: dict[int, str] = {}
    for language, wanted in by_language.items():
        answers = translator.translate([str(rows[place].fields[name]) for place, name in wanted], language, ENGLISH)
        if len(answers) != len(wanted):
            raise EvaluationError(
                f"translator {translator.name!r}: {len(answers)} answers to {len(wanted)} texts. A translator answers every text."
            )
        for (place, name), answer in zip(wanted, answers, strict=True):
            if isinstance(answer, str) and answer.strip():
                fields[place][name] = answer
            else:
                reason = "empty" if isinstance(answer, str) else getattr(answer, "reason", "no reason given")
                faults.setdefault(place, f"not translated ({name}): {reason}")
    return [
        UnpromptedItem(item=item, reason=faults[place]) if place in faults else _with_fields(entry, item, fields[place])
        for place, item in enumerate(rows)
    ]


def _with_fields(entry: Benchmark, item: Item, fields: dict[str, Any]) -> Item:
    """Put the translations where prompts and results look for them; the options follow from the fields that held them."""
    place_of = {str(item.fields[name]): name for name in entry.translated if name in item.fields}
    options = tuple(str(fields[place_of[option]]) if option in place_of else option for option in item.options)
    shown = [name for name in entry.translated if fields.get(name) and item.fields[name] not in item.options]
    text = "\n".join(str(fields[name]) for name in shown)
    return item if fields == item.fields else replace(item, fields=fields, options=options, text=text or item.text)
