"""The page of attacks: what they gain over plain asking in each language, and how many prompts kept their meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from polylect.records import MULTIPLE
from polylect.report import safety_attack_charts as charts
from polylect.report.headline import Figure
from polylect.report.numerals import count, interval, points
from polylect.report.safety_attack_data import Attacks, Effect, read_attacks
from polylect.report.safety_attack_texts import attack_texts
from polylect.report.safety_data import HARMFUL, HARMLESS, OUTCOMES
from polylect.report.safety_marks import label, listed
from polylect.report.safety_shell import SafetyPage, Section, fitted, save
from polylect.report.views import clip

__all__ = ["attack_report"]

_FIGURES, _EXAMPLES, _NOTE, _FULL = 4, 4, 600, 2
_TOO_LARGE = "Prompts and answers would make the page too large: ask for them with fewer folders."
_LESS = (
    "To keep the page small over-refusal and other outcomes are shown as means over languages, and how many prompts count by "
    "reason alone; safety.json has them by language."
)
_WITH_TEXT = "This page holds prompts and answers behind buttons: keep it where harmful text may lie."
_WITHOUT_TEXT = "No prompt and no answer is on this page; polylect report DIR --show-text puts some on it, behind buttons."


def attack_report(folders: Sequence[Path], *, out: Path | None = None, show_text: bool = False) -> Path:
    """Write `report.html` of one or several outputs of `polylect safety attack`, also of its --compare; return its path.

    Args:
        folders: output folders (or their safety.json), at most twelve.
        out: folder of the page; None: the last of the folders.
        show_text: put prompts and answers on the page, each unreadable until its button is pressed. Otherwise none is on it.

    Raises:
        DataError: there are too many folders, a document (with `show_text` a table) is missing or broken, or the page cannot be
            written.
    """
    found = read_attacks(folders)
    last = folders[-1] if folders[-1].is_dir() else folders[-1].parent
    tags = found.languages

    def make(shown: int, level: int) -> SafetyPage:
        # Texts go first where a page would be too large.
        page = _page(found, tags[:shown], len(tags) - shown, show_text and level == _FULL, min(level, _FULL - 1))
        return page if level == _FULL or not show_text else replace(page, sentences=[*page.sentences, _TOO_LARGE])

    return save(fitted(make, len(tags), _FULL), (out or last) / "report.html")


def _page(found: Attacks, tags: Sequence[str], left_out: int, show_text: bool, level: int) -> SafetyPage:
    own = found.fewer(tags) if left_out else found
    names = ", ".join(clip(name, 60)[0] for name in found.models)
    return SafetyPage(
        title=f"Attacks on {names}" if names else "Attacked prompts",
        lead=_lead(found),
        figures=_figures(found),
        sentences=[*_sentences(found, left_out), *([] if level else [_LESS])],
        sections=_sections(own, tags, show_text, level),
        texts=_WITH_TEXT if show_text else _WITHOUT_TEXT,
    )


def _lead(found: Attacks) -> str:
    names = list(dict.fromkeys([*found.attacks, *(name for name, _ in found.made)]))
    languages = f"{count(len(found.languages))} language{'' if len(found.languages) == 1 else 's'}"
    return f"{listed([charts.attack_label(name).text for name in names])}; originals in {languages}"


def _figures(found: Attacks) -> list[Figure]:
    """Return the largest effects, and how many prompts count or kept their meaning."""
    means = [(name, one) for name in found.attacks if (one := charts.mean_effect(found, name, HARMFUL, OUTCOMES[0]))]
    known = sorted(((name, one) for name, one in means if one.value is not None), key=lambda pair: -(pair[1].value or 0.0))
    shown = [Figure(charts.attack_label(name).text, points(one.value), _detail(one)) for name, one in known[:_FIGURES]]
    if found.effects:
        pairs = [one for (_, _, tag, outcome), one in found.effects.items() if outcome == OUTCOMES[0] and tag != MULTIPLE]
        lost = sum(sum(one.left_out.values()) for one in pairs)
        shown.append(
            Figure(
                "pairs of prompts",
                count(sum(one.n for one in pairs)),
                f"count; {count(lost)} are left out, see below" if lost else "all of them count",
            )
        )
    if found.made:
        made = list(found.made.values())
        kept, whole = sum(one.kept for one in made), sum(one.prompts for one in made)
        lost, untold = sum(one.lost for one in made), sum(one.untold for one in made)
        other = whole - sum(one.transformed for one in made)
        detail = f"of {count(whole)}; {count(lost)} lost it, of {count(untold)} nothing tells, {count(other)} not attacked"
        shown.append(Figure("attacked prompts kept their meaning", count(kept), detail))
    return shown


def _detail(one: Effect) -> str:
    ends = interval(one.low, one.high)
    told = f"points more harm complied with ({ends})" if ends else "points more harm complied with; too few for an interval"
    return told if one.sure or not ends else f"{told}: {charts.NO_EFFECT}"


def _sentences(found: Attacks, left_out: int) -> Iterator[str]:
    for prompts, outcome, words in _SAID:
        said: dict[str, list[str]] = {}
        for name in found.attacks:
            for sentence in _of(found, name, prompts, outcome, words):
                said.setdefault(sentence, []).append(charts.attack_label(name).text)
        yield from (f"{listed(names)}: {sentence}" for sentence, names in said.items())
    if bare := [key[2] for key, one in found.effects.items() if key[1::2] == (HARMFUL, OUTCOMES[0]) and one.value is None]:
        yield f"No number in {listed([label(tag).text for tag in dict.fromkeys(bare)])}: no pair counts there."
    if len(found.models) > 1:
        yield f"The comparisons are of different models ({', '.join(found.models)}): a difference between attacks may be theirs."
    if left_out:
        yield f"{left_out} languages are left out of the page, to keep it small; safety.json has them."


_SAID = ((HARMFUL, "complied", "more harm is complied with"), (HARMLESS, "refused", "more harmless prompts are refused"))


def _of(found: Attacks, name: str, prompts: str, outcome: str, words: str) -> Iterator[str]:
    """Yield in which languages an attack has an effect for certain, and in which the contrary."""
    keyed = {key[2]: one for key, one in found.effects.items() if (key[0], key[1], key[3]) == (name, prompts, outcome)}
    own = {tag: one for tag, one in keyed.items() if tag != MULTIPLE and one.value is not None}
    more = [label(tag).text for tag, one in own.items() if one.sure and (one.low or 0.0) > 0]
    less = [label(tag).text for tag, one in own.items() if one.sure and (one.high or 0.0) < 0]
    if more:
        yield f"{words} than plainly asked in {listed(more)}, with intervals above 0."
    if less:
        yield f'the contrary of "{words}" in {listed(less)}, with intervals below 0.'
    if own and not more and not less:
        yield f"in no language can it be told that {words}."


def _sections(found: Attacks, tags: Sequence[str], show_text: bool, level: int) -> list[Section]:
    # Of less detail come means alone, which every language's chart of success stands beside.
    some = tags if level else ()
    refused = charts.over_refusal(found, some)
    missing = ("No harmless prompts were attacked: whether the model refuses whatever looks odd is not known.",)
    dropped = [table for table in (charts.left_out_table(found), charts.untransformed(found)) if table.rows]
    nothing = () if dropped else ("Nothing: every prompt was attacked and counts.",)
    compared = bool(found.effects)
    return [
        Section("success", "Success", charts=charts.success(found, tags)),
        Section("over-refusal", "Over-refusal", missing if compared and not refused else (), refused),
        Section("others", "Other outcomes", _OTHERS if compared else (), tables=charts.other_outcomes(found, some)),
        Section("meaning", "Meaning kept", charts=[*charts.meaning(found, some), *charts.transformed(found, tags)]),
        Section("missing", "Dropped or left out", nothing, tables=dropped),
        Section(
            "texts",
            "Prompts and answers",
            _TEXTS if show_text else (),
            texts=attack_texts(found, tags, _EXAMPLES) if show_text else (),
        ),
        Section("notes", "Notes", sentences=_notes(found)),
    ]


_OTHERS = ("An attack may also turn refusals into gibberish or into another language, which is neither success nor safety.",)
_TEXTS = ("They may be harmful. What is blurred is a stand-in; a button shows the text.",)


def _notes(found: Attacks) -> list[str]:
    said = [
        "A difference is of the same prompts, plain and attacked; its interval is that of a bootstrap over the originals, all "
        "languages of an item together, and so is that of a mean rate. A rate in one language has Wilson's interval. Languages "
        "are those of the originals.",
        "Whether the meaning was kept is told by a translation back or by the words themselves: a proxy. What people find "
        "belongs into the column harm_kept of prompts.parquet before it is evaluated.",
        "This page computes no statistic: its numbers are those of safety.json, rounded.",
    ]
    return [*(said if found.effects else said[1:]), *(clip(note, _NOTE)[0] for note in found.notes)]
