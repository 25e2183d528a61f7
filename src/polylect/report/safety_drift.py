"""The page of drift: toxicity over many samples per language and date, what changed, and how old the sets are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from polylect.records import MULTIPLE
from polylect.report import safety_drift_charts as charts
from polylect.report.headline import Figure
from polylect.report.numerals import count
from polylect.report.safety_changes import UNSURE, Change
from polylect.report.safety_drift_charts import SCORES
from polylect.report.safety_drift_data import MAXIMUM, PROBABILITY, DatedSet, Drift, Toxicity, read_drift
from polylect.report.safety_marks import label, listed
from polylect.report.safety_shell import SafetyPage, Section, fitted, save
from polylect.report.views import clip

__all__ = ["drift_report"]

_NAME, _NOTE, _STALE = 60, 600, 3
_FULL = 2
_LESS: dict[int, tuple[str, ...]] = {
    2: (),
    1: ("To keep the page small only the newest change is shown; safety.json has the others.",),
    0: ("To keep the page small only the newest change, and of the two figures one over dates, are shown; safety.json has all.",),
}
"""Levels of detail, and what the page says of what is left out."""

_TITLES = {MAXIMUM: "expected maximum toxicity", PROBABILITY: "toxicity probability"}


def drift_report(folder: Path, *, out: Path | None = None, today: date | None = None) -> Path:
    """Write `report.html` of an output of `polylect safety drift`, also of its --compare; return its path.

    Args:
        folder: the output folder (or its safety.json).
        out: folder of the page; None: that of the document.
        today: day that ages are counted to; None: the clock's.

    Raises:
        DataError: the document is missing or broken, or the page cannot be written.
    """
    day = today or datetime.now(UTC).astimezone().date()
    found = read_drift(folder, day)
    tags = found.languages

    def make(shown: int, level: int) -> SafetyPage:
        return _page(found, tags[:shown], len(tags) - shown, day, level)

    return save(fitted(make, len(tags), _FULL), (out or found.folder) / "report.html")


def _page(found: Drift, tags: Sequence[str], left_out: int, day: date, level: int) -> SafetyPage:
    return SafetyPage(
        title=_title(found),
        lead=_lead(found),
        figures=_figures(found),
        sentences=[*_sentences(found, left_out), *_LESS[level]],
        sections=_sections(found.fewer(tags) if left_out else found, tags, day, level),
        source=("safety.json",) if found.compared else ("safety.json", "results.parquet", "scores.parquet"),
        texts="No prompt and no sample is on this page, nor in the files beside it.",
    )


def _title(found: Drift) -> str:
    if found.compared:
        older, newer = _who(found, "older"), _who(found, "newer")
        return f"Toxicity of {newer}: newer against older" if older == newer else f"Toxicity: {newer} against {older}"
    return f"Toxicity of {clip(str(found.summary.get('model')), _NAME)[0]}"


def _who(found: Drift, side: str) -> str:
    return clip(str(found.summary[side].get("model")), _NAME)[0]


def _lead(found: Drift) -> str:
    told = f"over {found.summary.get('k')} samples per prompt, toxic from {found.summary.get('threshold'):g}"
    if found.compared:
        sides = (found.summary[side] for side in ("older", "newer"))
        older, newer = (f"prompts “{clip(str(one.get('prompts')), _NAME)[0]}” scored by “{one.get('scorer')}”" for one in sides)
        return f"Newer: {newer}; older: {older}; {told}"
    prompts = clip(str(found.summary.get("prompts")), _NAME)[0]
    languages = f"{count(len(found.languages))} language{'' if len(found.languages) == 1 else 's'}"
    return f"Prompts “{prompts}” in {languages}, scored by “{found.summary.get('scorer')}”, {told}"


def _figures(found: Drift) -> list[Figure]:
    shown = [*_changed(found)] if found.compared else [*_levels(found)]
    stale = [one for one in found.sets if one.stale]
    unknown = [one for one in found.sets if one.stale is None]
    if found.sets:
        detail = f"the oldest {charts.age(found.sets[0])} old" if found.sets[0].age is not None else ""
        parts = [detail, f"{count(len(unknown))} without a date" if unknown else ""]
        shown.append(
            Figure(
                f"of {count(len(found.sets))} set{'' if len(found.sets) == 1 else 's'} stale",
                count(len(stale)),
                "; ".join(part for part in parts if part),
            )
        )
    return shown


def _levels(found: Drift) -> Iterator[Figure]:
    """Yield the means (in one language: its figures), the most toxic language, and languages without a figure."""
    tags = found.languages
    for metric, title in _TITLES.items():
        one = found.figures.get(("", metric, MULTIPLE)) or (found.figures.get(("", metric, tags[0])) if tags else None)
        if one is not None and one.value is not None:
            yield Figure(title, SCORES.value(one.value), _detail(one))
    known = [tag for tag in tags if (one := found.figures["", MAXIMUM, tag]) and one.value is not None]
    if len(known) > 1:
        worst = found.figures["", MAXIMUM, known[0]]
        yield Figure(f"most toxic: {label(known[0]).text}", SCORES.value(worst.value), f"expected maximum; {_detail(worst)}")
    if bare := [tag for tag in tags if tag not in known]:
        yield Figure("languages without a figure", count(len(bare)), listed([label(tag).text for tag in bare]))


def _changed(found: Drift) -> Iterator[Figure]:
    tags = found.languages
    for metric, title in _TITLES.items():
        one = found.steps.get(("", "", metric, MULTIPLE)) or (
            found.steps.get(("", "", metric, tags[0])) if len(tags) == 1 else None
        )
        if one is not None and one.value is not None:
            ends = SCORES.ends(one.low, one.high)
            told = f"change; 95% interval {ends}" if ends else "change; too few prompts for an interval"
            yield Figure(title, SCORES.change(one.value), told if one.sure or not ends else f"{told}: {UNSURE}")


def _detail(one: Toxicity) -> str:
    ends = SCORES.ends(one.low, one.high)
    told = f"95% interval {ends}" if ends else "too few prompts for an interval"
    return f"{told}; {count(one.n)} prompt{'' if one.n == 1 else 's'}"


def _sentences(found: Drift, left_out: int) -> Iterator[str]:
    k, asked = found.summary.get("k"), found.summary.get("k_asked")
    if asked is not None and k != asked:
        yield f"The figures are over {k} samples, not {asked}: lower than over more, and to be compared with such alone."
    for older, newer in list(dict.fromkeys((key[0], key[1]) for key in found.steps))[-1:]:
        for metric, title in _TITLES.items():
            own = {tag: found.steps.get((older, newer, metric, tag)) for tag in found.languages}
            yield from _moved(title, older, newer, {tag: one for tag, one in own.items() if one is not None})
    yield from _of_age(found.sets)
    if left_out:
        yield f"{left_out} languages are left out of the page, to keep it small; safety.json has them."


def _moved(title: str, older: str, newer: str, own: dict[str, Change]) -> Iterator[str]:
    since = f" from {older or 'prompts without a date'} to {newer}" if newer else ""
    rose = [label(tag).text for tag, one in own.items() if one.sure and (one.low or 0.0) > 0]
    fell = [label(tag).text for tag, one in own.items() if one.sure and (one.high or 0.0) < 0]
    unsure = [label(tag).text for tag, one in own.items() if not one.sure]
    parts = [f"{verb} in {listed(names)}" for verb, names in (("rose", rose), ("fell", fell), (UNSURE, unsure)) if names]
    if parts:
        yield f"{title.capitalize()}{since}: {'; '.join(parts)}."


def _of_age(sets: Sequence[DatedSet]) -> Iterator[str]:
    stale = [one for one in sets if one.stale]
    for one in stale[:_STALE]:
        names = listed([label(tag).text for tag in one.languages])
        told = f"{one.what} of {one.source} in {names}, {charts.age(one)} old ({one.date}), past {count(one.stale_after)}"
        yield f"Stale: {told}: what people say now may be missing."
    if len(stale) > _STALE:
        yield f"{count(len(stale) - _STALE)} more sets are stale."
    if unknown := [one for one in sets if one.stale is None]:
        yield f"Nobody can tell how old these are: {listed([f'{one.what} of {one.source}' for one in unknown])}."


def _sections(found: Drift, tags: Sequence[str], day: date, level: int) -> list[Section]:
    ages = charts.ages(found, day)
    one_date = () if found.compared or len(found.dates) > 1 else (_ONE_DATE,)
    return [
        Section("levels-section", "By language", charts=[] if found.compared else [charts.levels(found, tags)]),
        Section("dates", "Over dates", one_date, charts.over_dates(found, tags)[: None if level else 1]),
        Section("steps", "What changed", charts=charts.steps(found, tags)[: None if level == _FULL else 1]),
        Section("staleness", "How old it is", charts=[ages] if ages else [], tables=[] if ages else [charts.set_table(found)]),
        Section("samples", "Samples", tables=[] if found.compared else [charts.samples(found, tags)]),
        Section("notes", "Notes", sentences=_notes(found)),
    ]


_ONE_DATE = "The prompts are of one date, or have none: prompts of several dates in one table would show a course over time here."


def _notes(found: Drift) -> list[str]:
    return [
        "Both figures are unbiased over all subsets of k samples (Gehman et al. 2020, RealToxicityPrompts, section 3); means "
        "over languages weigh each the same.",
        "An empty sample is not toxic, and nothing else. A lexicon knows what people wrote down.",
        "This page computes no statistic: its numbers are those of safety.json, rounded. Ages are counted to the day it was "
        "written.",
        *(clip(note, _NOTE)[0] for note in found.notes),
    ]
