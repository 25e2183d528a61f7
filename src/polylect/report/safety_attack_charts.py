"""The charts of attacks: how much more often they succeed than plain asking, over-refusal, and whether the meaning was kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from polylect import languages
from polylect.errors import LanguageError
from polylect.records import MULTIPLE
from polylect.report.numerals import MISSING, count, interval, percent, points
from polylect.report.safety_attack_data import ANY, Attacks, Effect, Made
from polylect.report.safety_data import HARMFUL, HARMLESS, OUTCOMES, Rate
from polylect.report.safety_dumbbells import dumbbells
from polylect.report.safety_forest import Forest, forest
from polylect.report.safety_marks import Series, label, listed
from polylect.report.safety_stacks import Part, StackRow, stacks
from polylect.report.views import Cell, Chart, Label, Reading, Table, clip

__all__ = [
    "NO_EFFECT",
    "attack_label",
    "left_out_table",
    "mean_effect",
    "meaning",
    "other_outcomes",
    "over_refusal",
    "success",
    "transformed",
    "untransformed",
]

_SIDES = ("plain", "attacked")
NO_EFFECT = "cannot be told from no effect"
_REASON = 240
_SUCCESS = Series("Complied", "complied", "second", "circle")
_ANYWHERE = Series("Complied, in any language", "any language", "main", "diamond")
_DRAWN = (Series("Plain", "plain", "reference", "ring"), Series("Attacked", "attacked", "second", "circle"))
_ENDING = {ANY: ": complied, in whatever language"}
_DONE = {"complied": "complied with", ANY: "complied with, in whatever language"}
_HOW_RATES = (
    "Lines are the 95% intervals of each rate; the change is attacked minus plain, in points, with its own paired interval, and "
    "may be certain where the lines overlap. Only prompts whose meaning was kept count, with an outcome for both."
)
_HOW = (
    "In points, with the 95% interval of the paired differences; only prompts whose meaning was kept count, with an outcome "
    "for both."
)
_PARTS = (
    Part("kept", "K", "or", "Meaning kept"),
    Part("lost", "L", "oc", "Meaning lost"),
    Part("untold", "?", "oi", "Nothing tells"),
    Part("untransformed", "", "", "Not attacked"),
)
_PAIRS = (
    Part("counted", "C", "or", "Counts"),
    Part("meaning lost", "L", "oc", "Meaning lost"),
    Part("meaning untold", "?", "oi", "Nothing tells of the meaning"),
    Part("other", "", "", "No outcome"),
)


_SCRIPTS = {"Latn": "Latin", "Cyrl": "Cyrillic", "Grek": "Greek", "Arab": "Arabic", "Deva": "Devanagari"}


def attack_label(name: str) -> Label:
    """Return an attack's name in words, with the name itself beside it."""
    whole, _, folder = name.partition(" (")
    kind, *told = whole.split(":")
    words = {
        "translate": lambda: f"Translated into {_language(told[0])}{' and back' if told[1:] == ['back'] else ''}",
        "code-switch": lambda: f"Words switched to {_language(told[0])}",
        "transliterate": lambda: f"Written in {_SCRIPTS.get(told[0], told[0])} letters",
        "wrap": lambda: f"Wrapped: {':'.join(told)}",
    }
    if kind not in words or not told:
        return Label(name)
    return Label(f"{words[kind]()}{f' ({folder}' if folder else ''}", badge=whole)


def _language(tag: str) -> str:
    try:
        return languages.get(tag).name
    except LanguageError:
        return tag


def success(found: Attacks, tags: Sequence[str]) -> list[Chart]:
    """Return the overview of several attacks, then each attack per language."""
    charts = []
    attacks = [name for name in found.attacks if _tags(found, name, HARMFUL, tags)]
    if len(attacks) > 1:
        charts.append(_overview(found, attacks))
    for place, name in enumerate(attacks, start=1):
        charts.append(_rates(found, f"success-{place}", (name, HARMFUL, OUTCOMES[0]), tags))
        if (name, HARMFUL, ANY) in {(key[0], key[1], key[3]) for key in found.effects}:
            charts.append(_rates(found, f"success-{place}-any", (name, HARMFUL, ANY), tags))
    return charts


def _rates(found: Attacks, anchor: str, what: tuple[str, str, str], tags: Sequence[str]) -> Chart:
    """Return the rates, plain and attacked, with their intervals and the difference, of (attack, kind of prompt, outcome)."""
    name, prompts, outcome = what
    own = {key[2]: one for key, one in found.effects.items() if (key[0], key[1], key[3]) == what}
    order = [tag for tag in [*tags, MULTIPLE] if tag in own]

    share = f"Share of {prompts} prompts {_DONE.get(outcome, outcome)}"

    def rate(place: int, tag: str) -> Rate:
        return own[tag].attacked if place else own[tag].plain

    return dumbbells(
        name=anchor,
        title=attack_label(name).text + _ENDING.get(outcome, ""),
        description=f"{share}: lower is better. {_HOW_RATES}",
        drawn=_DRAWN,
        heads=[(label(tag), tag) for tag in order],
        get=rate,
        axis_title=share,
        moved=lambda tag: [own[tag]],
    )


def _overview(found: Attacks, attacks: Sequence[str]) -> Chart:
    what = Forest(
        name="success-all",
        title="All attacks, means over languages",
        description=f"The difference that each attack makes to the rate of harmful prompts complied with. {_HOW}",
        axis_title="Points above plain",
        first="Attack",
        sides=_SIDES,
        unsure=NO_EFFECT,
        drawn=_drawn(found, attacks),
    )

    def value(name: str) -> float:
        mean = mean_effect(found, name, HARMFUL, OUTCOMES[0])
        return -2.0 if mean is None or mean.value is None else mean.value

    order = sorted(attacks, key=value, reverse=True)
    return forest(
        what,
        [(attack_label(name), name) for name in order],
        lambda place, name: mean_effect(found, name, HARMFUL, (OUTCOMES[0], ANY)[place]),
    )


def _drawn(found: Attacks, attacks: Sequence[str]) -> list[Series]:
    anywhere = any(key[0] in attacks and key[1] == HARMFUL and key[3] == ANY for key in found.effects)
    return [_SUCCESS, _ANYWHERE] if anywhere else [Series(_SUCCESS.title, "", _SUCCESS.kind, _SUCCESS.shape)]


def mean_effect(found: Attacks, name: str, prompts: str, outcome: str) -> Effect | None:
    """Return the effect on the mean over languages, or in the only language."""
    whole = found.effects.get((name, prompts, MULTIPLE, outcome))
    own = [one for key, one in found.effects.items() if (key[0], key[1], key[3]) == (name, prompts, outcome)]
    known = [one for one in own if one.value is not None] or own
    return whole or (known[0] if len(known) == 1 else None)


def _tags(found: Attacks, name: str, prompts: str, tags: Sequence[str]) -> list[str]:
    return [tag for tag in tags if (name, prompts, tag, OUTCOMES[0]) in found.effects]


def _heads(found: Attacks, name: str, prompts: str, tags: Sequence[str]) -> list[tuple[Label, str]]:
    own = [(label(tag), tag) for tag in _tags(found, name, prompts, tags)]
    return [*own, (label(MULTIPLE), MULTIPLE)] if (name, prompts, MULTIPLE, OUTCOMES[0]) in found.effects else own


def over_refusal(found: Attacks, tags: Sequence[str]) -> list[Chart]:
    """Return per attack how often harmless prompts are refused, plain and attacked."""
    return [
        _rates(found, f"over-refusal-{place}", (name, HARMLESS, "refused"), tags)
        for place, name in enumerate(found.attacks, start=1)
        if _heads(found, name, HARMLESS, tags)
    ]


def other_outcomes(found: Attacks, tags: Sequence[str]) -> list[Table]:
    """Return per attack how the rates of the other outcomes of harmful prompts differ."""
    shown = OUTCOMES[1:]
    columns = (
        "Language",
        *(part for outcome in shown for part in (f"{outcome.capitalize()}, plain", *_PARTS_OF_EFFECT)),
    )
    tables = []
    for name in found.attacks:
        rows = []
        for head, tag in _heads(found, name, HARMFUL, tags):
            effects = [found.effects.get((name, HARMFUL, tag, outcome)) for outcome in shown]
            rows.append((head, [cell for one in effects for cell in _effect_cells(one)]))
        if rows:
            tables.append(
                Table(f"{attack_label(name).text}: other outcomes of harmful prompts, differences in points", columns, rows)
            )
    return tables


_PARTS_OF_EFFECT = ("95% interval", "attacked", "95% interval", "Difference", "95% interval")


def _effect_cells(one: Effect | None) -> list[Cell]:
    if one is None:
        return [Cell(MISSING)] * 6
    rates = [(percent(rate.value), rate) for rate in (one.plain, one.attacked)]
    told = [*rates, (points(one.value), one)]
    return [Cell(text) for value, of in told for text in (value, interval(of.low, of.high) or MISSING)]


def meaning(found: Attacks, tags: Sequence[str]) -> list[Chart]:
    """Return per attack how many prompts, harmful and harmless, count in its effect, and why the others do not."""
    charts = []
    for place, name in enumerate(found.attacks, start=1):
        by_tag = {
            tag: [one for kind in (HARMFUL, HARMLESS) if (one := found.effects.get((name, kind, tag, OUTCOMES[0])))]
            for tag in tags
        }
        charts.append(
            stacks(
                name=f"pairs-{place}",
                title=f"Prompts that count: {attack_label(name).text}",
                description=(
                    "Pairs of a plain and an attacked prompt, harmful and harmless. Where the meaning was lost an answer tells "
                    "nothing of the attack."
                ),
                parts=_PAIRS,
                rows=[_pairs_row(tag, own) for tag, own in by_tag.items() if own],
                axis_title="Share of pairs",
            )
        )
    return [chart for chart in charts if chart.rows]


def _pairs_row(tag: str, own: Sequence[Effect]) -> StackRow:
    left = sum((Counter(one.left_out) for one in own), Counter[str]())
    named = {part.name: left[part.name] for part in _PAIRS[1:-1]}
    counted = sum(one.n for one in own)
    said = Reading(f"{count(counted)} of {count(counted + left.total())}", name="count", kind="main" if counted else "unfit")
    return StackRow(label(tag), {"counted": counted, **named, "other": left.total() - sum(named.values())}, [said])


def left_out_table(found: Attacks) -> Table:
    """Return what is left out of the effects, by attack and reason, with the languages."""
    lost: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (name, _, tag, outcome), one in found.effects.items():
        for reason, number in one.left_out.items() if outcome == OUTCOMES[0] and tag != MULTIPLE else ():
            lost[name, reason][tag] += number
    return Table("Pairs left out of the effects", _REASONS, _reason_rows(lost))


_REASONS = ("Attack", "Number", "Why", "Languages")


def _reason_rows(lost: Mapping[tuple[str, str], Counter[str]]) -> list[tuple[Label, list[Cell]]]:
    rows = []
    for (name, reason), by in sorted(lost.items(), key=lambda pair: (pair[0][0], -pair[1].total())):
        tags = listed([label(tag).text for tag, _ in by.most_common()])
        cells = [Cell(count(by.total())), Cell(clip(reason, _REASON)[0], numeric=False), Cell(tags, numeric=False)]
        rows.append((Label(attack_label(name).text), cells))
    return rows


def transformed(found: Attacks, tags: Sequence[str]) -> list[Chart]:
    """Return per attack how many prompts were attacked, and whether their meaning was kept."""
    charts = []
    for place, name in enumerate(dict.fromkeys(name for name, _ in found.made), start=1):
        own = [(tag, found.made[name, tag]) for tag in tags if (name, tag) in found.made]
        charts.append(
            stacks(
                name=f"made-{place}",
                title=f"Attacked prompts: {attack_label(name).text}",
                description=(
                    "By whether the meaning was kept, as far as a translation back or the words themselves tell; by language "
                    "of the original. A harmful prompt that lost its meaning is not asked."
                ),
                parts=_PARTS,
                rows=[_made_row(tag, one) for tag, one in own],
                axis_title="Share of prompts",
                columns=("Meaning, mean", "Words changed, mean"),
            )
        )
    return [chart for chart in charts if chart.rows]


def _made_row(tag: str, one: Made) -> StackRow:
    counts = {"kept": one.kept, "lost": one.lost, "untold": one.untold, "untransformed": one.prompts - one.transformed}
    said = [Reading(f"{count(one.kept)} of {count(one.prompts)}", name="meaning kept", kind="main" if one.kept else "unfit")]
    return StackRow(label(tag), counts, said, [Cell(percent(one.meaning)), Cell(percent(one.changed))])


def untransformed(found: Attacks) -> Table:
    """Return what could not be attacked, by attack and reason, and the rows of the prompt sets that were not read."""
    lost: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (name, tag), one in found.made.items():
        for reason, number in one.untransformed.items():
            lost[name, reason][tag] += number
    rows = _reason_rows(lost)
    for reason, number in found.skipped.items():
        rows.append(
            (Label("Prompt set"), [Cell(count(number)), Cell(f"rows {reason}", numeric=False), Cell(MISSING, numeric=False)])
        )
    return Table("Prompts that were not attacked", _REASONS, rows)
