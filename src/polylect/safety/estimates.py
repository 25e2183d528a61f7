"""How often each outcome comes, by language, category, scope, origin and resource class, with intervals clustered by item.

All rates of one table are resampled together: translations of one item are drawn or left out in all languages at once, so that
a gap between languages knows that they answered the same prompts (`polylect.resampling`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polylect import languages
from polylect.records import MULTIPLE
from polylect.safety.decisions import JudgedAnswer
from polylect.safety.outcomes import OUTCOMES
from polylect.safety.prompts import UNCATEGORISED, SafetyPrompt

if TYPE_CHECKING:
    from polylect.resampling import Estimate, Floats, ItemTable

__all__ = ["BY", "ENGLISH", "rates"]

BY = ("all", "category", "scope", "origin", "resource class")
ENGLISH = "en"
_KINDS = {"harmful": True, "harmless": False}
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class _Cell:
    """The answers of one language to the prompts of one group."""

    language: str
    answers: tuple[JudgedAnswer, ...]
    unfit: tuple[str, str] | None

    @property
    def scored(self) -> list[JudgedAnswer]:
        return [one for one in self.answers if one.outcome is not None]

    @property
    def used(self) -> bool:
        return self.unfit is None and bool(self.scored)

    def counts(self) -> dict[str, int]:
        lost = sum(one.prompt.lost for one in self.answers)
        scored = len(self.scored)
        return {"n": scored, "unscored": len(self.answers) - scored - lost, "harm_lost": lost}


def rates(
    answers: Sequence[JudgedAnswer], unfit: Mapping[str, tuple[str, str]] | None = None, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Return one row per kind of prompt, group, language and outcome.

    Args:
        answers: judged.
        unfit: languages whose judge is unfit, with a status and the reason: they get no number and stay out of the means.
        seed: of the resamples.

    Returns:
        Rows with `prompts` ("harmful", "harmless"), `by` (one of `BY`), `group`, `language` ("mul": the mean over languages),
        `outcome`, `value`, `low`, `high`, `over_english` (the rate minus that of English, with its ends), `count`, `n`, `items`,
        `unscored`, `harm_lost`, `languages` (in a mean), `left_out` (languages without a number), `status` ("ok", "judge
        unfit", "detector unfit" or "no verdicts") and `why`. `over_english` of "mul" is that of the mean of the others.
    """
    rows: list[dict[str, Any]] = []
    for prompts, harmful in _KINDS.items():
        own = [one for one in answers if one.prompt.harmful == harmful]
        for by in BY:
            for group, members in sorted(_groups(own, by).items()):
                head = {"prompts": prompts, "by": by, "group": group}
                rows += [{**head, **row} for row in _rates(_cells(members, unfit or {}), by, seed)]
    return rows


def _groups(answers: Sequence[JudgedAnswer], by: str) -> dict[str, list[JudgedAnswer]]:
    """Return the answers by group; a prompt of several categories is in the group of each."""
    found: dict[str, list[JudgedAnswer]] = defaultdict(list)
    for one in answers:
        for group in _groups_of(one.prompt, by):
            found[group].append(one)
    return {} if by != "all" and set(found) <= {_UNKNOWN, UNCATEGORISED} else found


def _groups_of(prompt: SafetyPrompt, by: str) -> tuple[str, ...]:
    if by == "category":
        return prompt.categories or (UNCATEGORISED,)
    if by == "resource class":
        known = languages.get(prompt.language).resource_class
        return (_UNKNOWN if known is None else str(known),)
    if by == "all":
        return ("",)
    return ((prompt.scope if by == "scope" else prompt.origin) or _UNKNOWN,)


def _cells(answers: Sequence[JudgedAnswer], unfit: Mapping[str, tuple[str, str]]) -> list[_Cell]:
    found: dict[str, list[JudgedAnswer]] = defaultdict(list)
    for one in answers:
        found[one.prompt.language].append(one)
    return [_Cell(tag, tuple(own), unfit.get(tag)) for tag, own in sorted(found.items())]


def _rates(cells: Sequence[_Cell], by: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a group: each language, then the mean over languages."""
    used = [cell for cell in cells if cell.used]
    estimates = _Estimates(used, seed) if used else None
    for cell in cells if by != "resource class" else ():
        for outcome in OUTCOMES:
            yield {"language": cell.language, "outcome": outcome, **_language(cell, outcome, estimates)}
    for outcome in OUTCOMES:
        yield {"language": MULTIPLE, "outcome": outcome, **_mean(cells, outcome, estimates)}


def _language(cell: _Cell, outcome: str, estimates: _Estimates | None) -> dict[str, Any]:
    usable = cell.used and estimates is not None
    found = estimates.one(outcome, cell.language) if usable and estimates else None
    over = estimates.over_english(outcome, cell.language) if usable and estimates else None
    counts = cell.counts()
    return {
        **_ends(found),
        "over_english": _ends(over) if over else None,
        "count": sum(one.outcome == outcome for one in cell.answers),
        "items": counts["n"],
        **counts,
        "languages": int(cell.used),
        "left_out": [] if cell.used else [cell.language],
        **_state(cell),
    }


def _mean(cells: Sequence[_Cell], outcome: str, estimates: _Estimates | None) -> dict[str, Any]:
    used = [cell for cell in cells if cell.used]
    counts: Counter[str] = Counter()
    for cell in cells:
        counts.update(cell.counts())
    left = [cell for cell in cells if not cell.used]
    items = {one.prompt.item for cell in used for one in cell.scored}
    state = {"status": "ok", "why": None} if used else _state(left[0])
    over = estimates.others_over_english(outcome) if estimates else None
    return {
        **_ends(estimates.mean(outcome) if estimates else None),
        "over_english": _ends(over) if over else None,
        "count": sum(one.outcome == outcome for cell in used for one in cell.answers),
        "n": sum(len(cell.scored) for cell in used),
        "items": len(items),
        "unscored": counts["unscored"],
        "harm_lost": counts["harm_lost"],
        "languages": len(used),
        "left_out": [cell.language for cell in left],
        **state,
    }


def _state(cell: _Cell) -> dict[str, Any]:
    if cell.unfit is not None:
        return {"status": cell.unfit[0], "why": cell.unfit[1]}
    if cell.scored:
        return {"status": "ok", "why": None}
    reasons = Counter(str(one.reason) for one in cell.answers)
    return {"status": "no verdicts", "why": reasons.most_common(1)[0][0]}


def _ends(estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = estimate or (None, None, None)
    return {"value": value, "low": low, "high": high}


class _Estimates:
    """Shares of the outcomes in the languages of a group, with their bootstrap replicates."""

    def __init__(self, cells: Sequence[_Cell], seed: int) -> None:
        from polylect.resampling import means, replicates, tabulate

        self._languages = [cell.language for cell in cells]
        columns = [f"{outcome}\t{tag}" for outcome in OUTCOMES for tag in self._languages]
        rows = [
            (one.prompt.item, f"{outcome}\t{cell.language}", float(one.outcome == outcome))
            for cell in cells
            for one in cell.scored
            for outcome in OUTCOMES
        ]
        self._table: ItemTable = tabulate(rows, columns)
        self._at = {column: place for place, column in enumerate(columns)}
        self._means = means(self._table)
        self._drawn: Floats = replicates(self._table, seed)
        self._items = len(self._table.sums)

    def one(self, outcome: str, language: str) -> Estimate:
        """Return the rate in a language with Wilson's interval: an item has one answer there, so that rows are items."""
        from polylect.resampling import wilson

        place = self._at[f"{outcome}\t{language}"]
        return wilson(float(self._table.sums[:, place].sum()), int(self._table.counts[:, place].sum()))

    def over_english(self, outcome: str, language: str) -> Estimate | None:
        """Return the rate in a language minus that in English; None for English, or where English has none."""
        from polylect.resampling import percentiles

        if language == ENGLISH or ENGLISH not in self._languages:
            return None
        own, other = self._at[f"{outcome}\t{language}"], self._at[f"{outcome}\t{ENGLISH}"]
        drawn = self._drawn[:, own] - self._drawn[:, other]
        return percentiles(drawn, float(self._means[own] - self._means[other]), self._items, (-1.0, 1.0), expanded=True)

    def others_over_english(self, outcome: str) -> Estimate | None:
        """Return the mean over the other languages minus the rate in English; None where either is missing."""
        from polylect.resampling import percentiles

        others = [self._at[f"{outcome}\t{tag}"] for tag in self._languages if tag != ENGLISH]
        if ENGLISH not in self._languages or not others:
            return None
        english = self._at[f"{outcome}\t{ENGLISH}"]
        value = float(self._means[others].mean() - self._means[english])
        drawn = self._drawn[:, others].mean(axis=1) - self._drawn[:, english]
        return percentiles(drawn, value, self._items, (-1.0, 1.0), expanded=True)

    def mean(self, outcome: str) -> Estimate:
        """Return the mean over languages, each with the same weight."""
        from polylect.resampling import percentiles

        if len(self._languages) == 1:
            return self.one(outcome, self._languages[0])
        places = [self._at[f"{outcome}\t{tag}"] for tag in self._languages]
        value = float(self._means[places].mean())
        return percentiles(self._drawn[:, places].mean(axis=1), value, self._items, (0.0, 1.0), expanded=True)
