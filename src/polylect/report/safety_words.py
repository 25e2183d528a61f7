"""The result of safety evaluations in figures and sentences, each taken from numbers of safety.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polylect.records import MULTIPLE
from polylect.report.headline import Figure
from polylect.report.numerals import count, interval, percent, points
from polylect.report.safety_changes import UNSURE, Change, Changes, change_sentences
from polylect.report.safety_data import HARMFUL, HARMLESS, Evaluation, Rate
from polylect.report.safety_marks import label, listed
from polylect.report.views import clip

__all__ = ["figures", "lead", "notes", "sentences", "title"]

_NAME, _NOTE = 60, 600
_MOST = 0.5
"""Share of a language's answers from which a sentence says that they are mostly irrelevant, refused, in another language."""

_FIGURES = (
    ("violation rate", HARMFUL, "complied"),
    ("over-refusal", HARMLESS, "refused"),
    ("irrelevant answers", HARMFUL, "irrelevant"),
    ("answers in the wrong language", HARMFUL, "wrong language"),
)


def title(evaluations: Sequence[Evaluation]) -> str:
    """Return the title of the page."""
    names = [clip(one.title, _NAME)[0] for one in evaluations]
    if len(names) == 2:
        return f"Safety before and after: {names[0]}, {names[1]}"
    return f"Safety: {', '.join(names)}"


def lead(evaluations: Sequence[Evaluation]) -> str:
    """Return what was asked, in one line per prompt set."""
    told = []
    for one in evaluations:
        prompts = one.summary["prompts"]
        asked = [f"{count(_whole(prompts.get(kind)))} {kind}" for kind in (HARMFUL, HARMLESS) if _whole(prompts.get(kind))]
        tags = dict.fromkeys([*one.languages(HARMFUL), *one.languages(HARMLESS)])
        name = clip(str(prompts.get("name")), _NAME)[0]
        told.append(f"Prompt set {name}: {' and '.join(asked)} prompts in {_counted(len(tags), 'language')}")
    return "; ".join(dict.fromkeys(told))


def _whole(found: object) -> int:
    return found if isinstance(found, int) else 0


def figures(evaluations: Sequence[Evaluation], changes: Changes | None = None) -> list[Figure]:
    """Return the numbers at the top of the page: those of the last evaluation, beside them the first's and the change."""
    last, first = evaluations[-1], evaluations[0]
    shown = []
    for name, prompts, outcome in _FIGURES:
        rate = _whole_rate(last, prompts, outcome)
        if rate is not None:
            before = _whole_rate(first, prompts, outcome) if len(evaluations) > 1 else None
            change = changes.mean(len(evaluations) - 1, prompts, outcome) if changes else None
            shown.append(_figure(name, rate, before, change))
    worst = _worst(last)
    if worst is not None:
        tag, rate = worst
        shown.append(Figure(f"most violations: {label(tag).text}", percent(rate.value), _detail(rate)))
    without = _without(last)
    if without:
        shown.append(Figure("languages without a number", count(len(without)), listed([label(tag).text for tag in without])))
    return shown


def _whole_rate(one: Evaluation, prompts: str, outcome: str) -> Rate | None:
    return one.rate(prompts, outcome, MULTIPLE)


def _figure(name: str, rate: Rate, before: Rate | None, change: Change | None) -> Figure:
    if rate.value is None:
        return Figure(name, rate.status, rate.why)
    was = f"{percent(before.value)} before; " if before is not None and before.value is not None else ""
    if change is None or change.value is None:
        return Figure(name, percent(rate.value), f"{was}{_detail(rate)}")
    ends = interval(change.low, change.high)
    moved = f"change {points(change.value)} points{f' ({ends})' if ends else ''}"
    return Figure(name, percent(rate.value), f"{was}{moved}{'' if change.sure else f': {UNSURE}'}")


def _detail(rate: Rate) -> str:
    ends = interval(rate.low, rate.high)
    told = f"95% interval {ends}" if ends else "too few items for an interval"
    return f"{told}; {_counted(rate.n, 'answer')}"


def _worst(one: Evaluation) -> tuple[str, Rate] | None:
    """Return the language with the highest violation rate, where there are several and one has violations."""
    found = [
        (tag, rate) for tag in one.languages(HARMFUL) if (rate := one.rate(HARMFUL, "complied", tag)) and rate.value is not None
    ]
    worst = max(found, key=lambda pair: pair[1].value or 0.0, default=None)
    return worst if worst is not None and len(found) > 1 and worst[1].value else None


def _without(one: Evaluation) -> list[str]:
    """Return the languages whose violations (of harmless prompts alone: refusals) have no number."""
    prompts, outcome = (HARMFUL, "complied") if one.languages(HARMFUL) else (HARMLESS, "refused")
    rates = {tag: one.rate(prompts, outcome, tag) for tag in one.languages(prompts)}
    return [tag for tag, rate in rates.items() if rate is None or rate.value is None]


def sentences(evaluations: Sequence[Evaluation], changes: Changes | None = None) -> list[str]:
    """Return what the numbers mean, evaluation by evaluation, and what makes two of them hard to compare."""
    said = list(_comparable(evaluations)) if len(evaluations) > 1 else []
    said += change_sentences(changes, [clip(one.title, _NAME)[0] for one in evaluations])
    return [*said, *_attributed(evaluations, [list(_of(one)) for one in evaluations])]


def _attributed(evaluations: Sequence[Evaluation], said: Sequence[Sequence[str]]) -> list[str]:
    """Return sentences with the model each is of; what is true of all is said once, without."""
    found: dict[str, list[str]] = {}
    for one, sentences_of_it in zip(evaluations, said, strict=True):
        for sentence in dict.fromkeys(sentences_of_it):
            found.setdefault(sentence, []).append(clip(one.title, _NAME)[0])
    everyone = len(evaluations)
    return [sentence if len(of) == everyone else f"{', '.join(of)}: {sentence}" for sentence, of in found.items()]


def _comparable(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    for key, words in (("judge", "judges"), ("detector", "detectors"), ("labels", "labels")):
        if len({one.summary.get(key) for one in evaluations}) > 1:
            yield f"The evaluations have different {words}: part of a difference may be theirs."
    prompts = [one.summary["prompts"] for one in evaluations]
    for key in ("name", HARMFUL, HARMLESS, "languages"):
        if any(asked.get(key) != prompts[0].get(key) for asked in prompts):
            yield "The evaluations asked different prompts: means over languages and kinds are not of the same things."
            return


def _of(one: Evaluation) -> Iterator[str]:
    gaps = [(tag, rate.over) for tag in one.languages(HARMFUL) if (rate := one.rate(HARMFUL, "complied", tag)) and rate.over]
    above = [tag for tag, over in gaps if over.low is not None and over.low > 0]
    if above:
        most = max(gaps, key=lambda pair: pair[1].value or 0.0)
        yield (
            f"More violations than in English in {_names(above)}, with intervals above zero; the most in {label(most[0]).text} "
            f"({points(most[1].value)} points)."
        )
    elif any(over.low is not None for _, over in gaps):
        yield "In no language is the interval of the violations above English wholly above zero."
    yield from _mostly(one)
    yield from _unfit(one)
    yield from _uncertified(one)
    told = one.summary["content_of_wrong_language"]
    leaks = [tag for tag, found in told.items() if isinstance(found, dict) and found.get("complied") and not one.unfit(tag)]
    if leaks:
        yield f"Answers in the wrong language that give what was asked came in {_names(leaks)}."


def _unfit(one: Evaluation) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for tag in dict.fromkeys([*one.languages(HARMFUL), *one.languages(HARMLESS)]):
        if status := one.unfit(tag):
            found.setdefault(status, []).append(tag)
    for status, tags in found.items():
        yield f"{status.capitalize()} in {_names(tags)}: its verdicts there cannot be relied on."


def _uncertified(one: Evaluation) -> Iterator[str]:
    """Say where verdicts count that too few labels of people have been held against."""
    bare = {(row.get("source"), row.get("language")) for row in one.summary["certificates"] if row.get("status") == "uncertified"}
    for source in ("judge", "detector"):
        tags = [tag for tag, found in one.summary["sources"].items() if (source, tag) in bare and source in found]
        if tags:
            yield f"The {source} is uncertified in {_names(tags)}: too few labels of people to tell how good its verdicts are."


def _mostly(one: Evaluation) -> Iterator[str]:
    for prompts, outcome, words in (
        (
            HARMFUL,
            "irrelevant",
            "Most answers to harmful prompts are irrelevant in {}: that is no safety, the model does not follow.",
        ),
        (HARMFUL, "wrong language", "Most answers to harmful prompts are in another language in {}."),
        (HARMLESS, "refused", "Most harmless prompts are refused in {}: its refusals say little."),
    ):
        tags = [tag for tag in one.languages(prompts) if (rate := one.rate(prompts, outcome, tag)) and (rate.value or 0) > _MOST]
        if tags:
            yield words.format(_names(tags))


_AND_CHANGES = " and comparison.json"
_CHANGES = (
    "A change is paired: over the prompts that both evaluations have an outcome for, so that it need not be the difference of "
    "the two rates. Its 95% interval is that of a bootstrap over items, all languages of an item together. Of many languages "
    "one in twenty such intervals misses by chance."
)


def notes(evaluations: Sequence[Evaluation], changes: Changes | None = None) -> list[str]:
    """Return how the numbers were made, then the notes of the documents."""
    said = [
        "Each answer has one of four outcomes, so their rates sum to 100%. Answers without an outcome are in no rate.",
        "A rate in one language has Wilson's 95% interval. Means over languages (each weighs the same) and differences to "
        "English have those of a bootstrap over items: the translations of one prompt are drawn together.",
        *([_CHANGES] if changes else []),
        "What is not known is a blank or a dash, never 0.",
        f"This page computes no statistic: its numbers are those of safety.json{_AND_CHANGES if changes else ''}, rounded.",
    ]
    return [*said, *_attributed(evaluations, [[clip(note, _NOTE)[0] for note in one.notes] for one in evaluations])]


def _names(tags: Sequence[str]) -> str:
    return listed([label(tag).text for tag in tags])


def _counted(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
