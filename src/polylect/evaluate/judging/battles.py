"""Arena-Hard's score: the win rate over battles, of which a verdict of "much better" counts three (arXiv 2406.11939).

Its public code resamples battles; here prompts are resampled with all their battles, in all languages together, since the battles
of a prompt are no independent draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from polylect.evaluate.judging.certificate import Status
from polylect.evaluate.judging.contests import POINTS, Game, Outcome
from polylect.evaluate.judging.settings import JudgeSettings
from polylect.records import MULTIPLE
from polylect.resampling import Estimate

__all__ = ["battle_rates"]

_Key = tuple[str, str, str, str]


def battle_rates(
    outcomes: Sequence[Outcome],
    games: Sequence[Game],
    statuses: Mapping[str, tuple[Status, tuple[str, ...]]],
    settings: JudgeSettings,
) -> dict[str, Estimate]:
    """Return the share of battles that a wins (a tie is half a win) per language, and their mean over languages ("mul").

    Of several judges all battles count. What the gate, an empty answer or equal texts decide counts as one battle per order. A
    contest of which one verdict cannot be read has no battle; a language for which the judge is unfit is left out.

    Args:
        outcomes: of every judge, after the language gate; not those of a panel as a whole.
        games: of every judge.
        statuses: of the judge by language.
        settings: give seed and resamples.
    """
    from polylect.resampling import means, percentiles, replicates, tabulate

    verdicts: dict[_Key, list[Game]] = defaultdict(list)
    for game in games:
        verdicts[game.judge, game.subset, game.language, game.item].append(game)
    rows = []
    for one in outcomes:
        if one.points is not None and statuses[one.language][0] != "unfit":
            rows += [(one.item, one.language, points) for points in _battles(one, verdicts)]
    languages = sorted({language for _, language, _ in rows})
    if not languages:
        return {}
    table = tabulate(rows, languages)
    values, drawn = means(table), replicates(table, settings.seed, settings.resamples)
    items = [int((table.counts[:, column] > 0).sum()) for column in range(len(languages))]
    found = {
        tag: percentiles(drawn[:, column], float(values[column]), items[column], (0.0, 1.0))
        for column, tag in enumerate(languages)
    }
    found[MULTIPLE] = percentiles(drawn.mean(axis=1), float(values.mean()), len(table.sums), (0.0, 1.0))
    return found


def _battles(one: Outcome, verdicts: Mapping[_Key, Sequence[Game]]) -> list[float]:
    """Return what each battle of a contest is worth to a."""
    if one.decided != "judge":
        return [one.points or 0.0] * 2
    games = verdicts[one.judge, one.subset, one.language, one.item]
    return [POINTS[str(game.winner)] for game in games for _ in range(game.battles)]
