"""Writes fixtures of XCOPA, XStoryCloze, XWinograd and Global-MMLU: invented content in exactly the published columns.

    python tests/evaluate/invented_sets.py FOLDER [--scale N]

The folder has one folder per set, FOLDER/SET/LANGUAGE/SPLIT.jsonl, as `polylect eval --data FOLDER/SET` reads them. A scale of n
makes 70 n items per language of XCOPA (it, tr, zh), XWinograd (en, pt, zh) and XStoryCloze (ar, en, es), 72 n of Global-MMLU (de,
en, tr). The bytes are the same every time.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from invented_texts import EVENTS, MMLU, NAMES, STORIES, WINOGRAD

__all__ = ["SETS", "write_sets"]

_SUBJECTS = {
    "elementary_mathematics": "STEM",
    "high_school_mathematics": "STEM",
    "miscellaneous": "Other",
    "global_facts": "Other",
}
_TESTS_PER_SUBJECT, _DEVS_PER_SUBJECT, _DEVS, _NAMES, _STORY_NAMES = 18, 5, 10, 10, 14


def _name(number: int) -> str:
    """Return the number-th name; beyond the list, two names."""
    first, rest = NAMES[number % len(NAMES)], number // len(NAMES)
    return first if rest == 0 else f"{first} {NAMES[(number + rest) % len(NAMES)]}"


def _seeded(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - no secret is drawn


def xcopa(language: str, scale: int, seed: str = "xcopa") -> Iterator[dict[str, Any]]:
    """Yield rows of XCOPA; the wrong choice belongs to another event."""
    draw = _seeded(seed)
    events = EVENTS[language]
    for number in range(len(events) * _NAMES * scale):
        event, question = number % len(events), draw.choice(("cause", "effect"))
        other, label = (event + draw.randrange(1, len(events))) % len(events), draw.randrange(2)
        column = 1 if question == "cause" else 2
        choices = [events[event][column], events[other][column]]
        if label == 1:
            choices.reverse()
        yield {
            "premise": events[event][0].format(a=_name(number // len(events))),
            "choice1": choices[0],
            "choice2": choices[1],
            "question": question,
            "label": label,
            "idx": number,
            "changed": False,
        }


def xstorycloze(language: str, scale: int, seed: str = "xstorycloze") -> Iterator[dict[str, Any]]:
    """Yield rows of XStoryCloze; the wrong ending belongs to another story."""
    draw = _seeded(seed)
    stories = STORIES[language]
    for number in range(len(stories) * _STORY_NAMES * scale):
        story, name = number % len(stories), _name(number // len(stories))
        other, right = (story + draw.randrange(1, len(stories))) % len(stories), draw.randrange(1, 3)
        endings = [stories[story][4].format(a=name), stories[other][4].format(a=name)]
        if right == 2:
            endings.reverse()
        yield {
            "story_id": f"invented-{number:04d}",
            **{f"input_sentence_{place + 1}": stories[story][place].format(a=name) for place in range(4)},
            "sentence_quiz1": endings[0],
            "sentence_quiz2": endings[1],
            "answer_right_ending": right,
        }


def xwinograd(language: str, scale: int) -> Iterator[dict[str, Any]]:
    """Yield rows of XWinograd; the order of the options is drawn."""
    draw = _seeded(f"xwinograd {language}")
    sentences = WINOGRAD[language]
    for number in range(len(sentences) * _NAMES * scale):
        sentence, who = sentences[number % len(sentences)]
        turn = number // len(sentences)
        names = (_name(turn), _name(turn + 1 + draw.randrange(10)))
        swapped = draw.randrange(2)
        yield {
            "sentence": sentence.format(a=names[0], b=names[1]),
            "option1": names[swapped],
            "option2": names[1 - swapped],
            "answer": str(who if not swapped else 3 - who),
        }


def global_mmlu(language: str, scale: int, *, dev: bool = False) -> Iterator[dict[str, Any]]:
    """Yield rows of Global-MMLU: sums, products, months and days of the week, four options each; no question comes twice."""
    draw = _seeded("global_mmlu")
    for subject, category in _SUBJECTS.items():
        questions = _questions(language, subject, draw, _DEVS_PER_SUBJECT + _TESTS_PER_SUBJECT * scale)
        chosen = questions[:_DEVS_PER_SUBJECT] if dev else questions[_DEVS_PER_SUBJECT:]
        for number, (question, options, answer) in enumerate(chosen):
            yield {
                "sample_id": f"{subject}/{'dev' if dev else 'test'}/{number}",
                "subject": subject,
                "subject_category": category,
                "question": question,
                **{f"option_{letter}": option for letter, option in zip("abcd", options, strict=True)},
                "answer": "ABCD"[answer],
                "required_knowledge": "[]",
                "time_sensitive": "[]",
                "reference": "[]",
                "culture": "[]",
                "region": "[]",
                "country": "[]",
                "cultural_sensitivity_label": ("CS", "CA", "-")[number % 3],
                "is_annotated": True,
            }


def _questions(language: str, subject: str, draw: random.Random, count: int) -> list[tuple[str, list[str], int]]:
    found: dict[str, tuple[str, list[str], int]] = {}
    while len(found) < count:
        question = _question(language, subject, draw)
        found.setdefault(question[0], question)
    return list(found.values())


def _question(language: str, subject: str, draw: random.Random) -> tuple[str, list[str], int]:
    """Return a question, its options and the index of the right one; the draws do not depend on the language."""
    from babel import Locale

    locale = Locale.parse(language)
    months = list(locale.months["stand-alone"]["wide"].values())
    days = list(locale.days["stand-alone"]["wide"].values())
    x, y, places = draw.randrange(3, 60), draw.randrange(2, 400), draw.sample(range(4), 4)
    if subject == "elementary_mathematics":
        values = [str(x + y + wrong) for wrong in (0, 1, 10, 2)]
    elif subject == "high_school_mathematics":
        values = [str(x * y + wrong) for wrong in (0, x, x + 10, 1)]
    else:
        cycle = months if subject == "miscellaneous" else days
        values = [cycle[(x + y + wrong) % len(cycle)] for wrong in (0, 1, 2, 3)]
    text = MMLU[language][subject].format(x=x, y=y, month=months[x % 12], day=days[x % 7])
    return text, [values[place] for place in places], places.index(0)


SETS = {
    "xcopa": tuple(EVENTS),
    "xstorycloze": tuple(STORIES),
    "xwinograd": tuple(WINOGRAD),
    "global-mmlu": tuple(MMLU),
}
"""The languages of each set, by the names that the sets give to them."""


def _rows(name: str, language: str, scale: int) -> Iterator[tuple[str, Iterable[dict[str, Any]]]]:
    """Yield (split, rows) of a set in a language."""
    if name == "xcopa":
        yield "test", xcopa(language, scale)
        yield "validation", islice(xcopa(language, 1, "validation"), _DEVS)
    elif name == "xstorycloze":
        yield "eval", xstorycloze(language, scale)
        yield "train", islice(xstorycloze(language, 1, "train"), _DEVS)
    elif name == "xwinograd":
        yield "test", xwinograd(language, scale)
    else:
        yield "test", global_mmlu(language, scale)
        yield "dev", global_mmlu(language, scale, dev=True)


def write_sets(folder: Path, scale: int = 1) -> None:
    """Write FOLDER/SET/LANGUAGE/SPLIT.jsonl for every set and language."""
    for name, languages in SETS.items():
        for language in languages:
            for split, rows in _rows(name, language, scale):
                path = folder / name / language / f"{split}.jsonl"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=int, default=1)
    given = parser.parse_args()
    write_sets(given.folder, given.scale)
