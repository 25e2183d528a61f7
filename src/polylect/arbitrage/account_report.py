"""The routing report: shares, rewards, regret, win rates, costs and wrong languages, per language and in all.

"mul" stands for all languages: means and rates are the mean over languages (each weighs the same), counts and costs are sums.
Intervals are 95 % percentile intervals of a bootstrap over items, joint for all languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.accounts import Accounts
from polylect.records import MULTIPLE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SCHEMA", "report", "table"]

SCHEMA = 1
"""Version of routing.json."""

_UNIT = (0.0, 1.0)
_COUNTS = ("prompts", "taken", "compared", "uncompared", "explored", "rerouted")


def report(accounts: Accounts, *, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Return routing.json: what `docs/routers.md` describes; `more` is added at the top (router, budget)."""
    best = _best_single(accounts)
    numbers = _Numbers(accounts, seed)
    return {
        "schema": SCHEMA,
        "teachers": list(accounts.teachers),
        "translation": accounts.translation,
        "writer": accounts.writer,
        "best_single": best,
        "items": accounts.items,
        "languages": {language: numbers.language(language, best) for language in (*accounts.languages, MULTIPLE)},
        **more,
    }


def table(document: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the terminal table, one row per language, "mul" last."""
    header = ["language", "prompts", "reward", "routed", "oracle", "regret", "vs random", "vs single", "vs translation", "wrong"]
    header += ["tokens", "cost", "most taken"]
    return header, [_line(language, row) for language, row in document["languages"].items()]


def _line(language: str, row: Mapping[str, Any]) -> list[str]:
    shares = {name: teacher["share"]["value"] for name, teacher in row["teachers"].items() if teacher["share"]["value"]}
    first = max(shares, key=lambda name: (shares[name], name), default=None)
    return [
        language,
        str(row["prompts"]),
        _text(row["reward"]),
        _text(row["routed"], interval=False),
        _text(row["oracle"], interval=False),
        _text(row["regret"]),
        *(_text(row["win_rate"][name], percent=True) for name in ("random", "best_single", "translation")),
        _text(row["wrong_language"], percent=True, interval=False),
        str(row["prompt_tokens"] + row["completion_tokens"]),
        f"{row['cost']:.4g}",
        f"{first} {100 * shares[first]:.0f} %" if first else "",
    ]


def _text(estimate: Mapping[str, Any], *, percent: bool = False, interval: bool = True) -> str:
    """Return "0.81 (0.78-0.84)", or "" for what is not known."""
    if estimate["value"] is None:
        return ""
    factor, digits = (100.0, 0) if percent else (1.0, 2)
    value, low, high = (None if estimate[k] is None else f"{factor * estimate[k]:.{digits}f}" for k in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if interval and low is not None else str(value)


def _best_single(accounts: Accounts) -> str | None:
    """Return the teacher with the highest mean reward over languages where all answered, among those in the most languages."""
    means: dict[str, list[float]] = {}
    for language in accounts.languages:
        for name in accounts.teachers:
            number = accounts.sums(language, "compared", name).sum()
            if number:
                means.setdefault(name, []).append(float(accounts.sums(language, "compared_reward", name).sum() / number))
    most = max((len(values) for values in means.values()), default=0)
    found = {name: sum(values) / most for name, values in means.items() if len(values) == most}
    return min(found, key=lambda name: (-found[name], name), default=None)


class _Numbers:
    """Turns sums into estimates; the draws of items are the same for all of them, so that they can be compared."""

    def __init__(self, accounts: Accounts, seed: int) -> None:
        self._accounts, self._seed = accounts, seed
        low, high = accounts.range
        self._bounds = (low, high) if low < high else (low - 0.5, low + 0.5) if low == high else _UNIT
        widest = self._bounds[1] - self._bounds[0]
        # Only an answer that is none of the pool's can be better than the best of the pool.
        self._regret = (-widest if accounts.writer else 0.0, widest)
        self._difference = (-widest, widest)

    def language(self, language: str, best: str | None) -> dict[str, Any]:
        """Return the numbers of one language, or of all ("mul")."""
        translation = self._accounts.translation
        against = {"best_single": best, "translation": translation}
        wins = {name: self._of(language, ("beaten",), "compared", _UNIT, other) for name, other in against.items()}
        means = {
            name: self._of(language, ("compared_reward",), "compared", self._bounds, other) for name, other in against.items()
        }
        paired = ("compared_routed", "compared_reward")
        gains = {name: self._of(language, paired, "compared", self._difference, other) for name, other in against.items()}
        return {
            **{name: self._count(language, name) for name in _COUNTS},
            "not_taken": self._not_taken(language),
            "reward": self._ratio(language, ("taken_reward",), "taken_scored", self._bounds),
            "routed": self._ratio(language, ("routed",), "compared", self._bounds),
            "oracle": self._ratio(language, ("oracle",), "compared", self._bounds),
            "random": self._ratio(language, ("random",), "compared", self._bounds),
            **means,
            "regret": self._ratio(language, ("oracle", "routed"), "compared", self._regret),
            "gain": {"random": self._ratio(language, ("routed", "random"), "compared", self._difference), **gains},
            "win_rate": {"random": self._ratio(language, ("beats_random",), "compared", _UNIT), **wins},
            "wrong_language": self._ratio(language, ("taken_wrong",), "taken_checked", _UNIT),
            **self._costs(language, self._accounts.columns),
            "teachers": {name: self._teacher(language, name) for name in self._accounts.columns},
        }

    def _teacher(self, language: str, name: str) -> dict[str, Any]:
        """Return what one teacher did in a language. `won` against it is the router's win rate."""
        return {
            **{figure: self._count(language, figure, name) for figure in ("asked", "scored", "taken")},
            "share": self._ratio(language, ("taken",), "taken", _UNIT, name, per_prompt=True),
            "reward": self._of(language, ("reward",), "scored", self._bounds, name),
            "router_wins": self._of(language, ("beaten",), "compared", _UNIT, name),
            "wrong_language": self._of(language, ("wrong",), "checked", _UNIT, name),
            **self._costs(language, (name,)),
        }

    def _costs(self, language: str, names: Sequence[str]) -> dict[str, Any]:
        tokens = {k: sum(self._count(language, k, name) for name in names) for k in ("prompt_tokens", "completion_tokens")}
        return {**tokens, "cost": float(sum(self._sum(language, "cost", name) for name in names))}

    def _of(
        self, language: str, numerators: tuple[str, ...], denominator: str, bounds: tuple[float, float], teacher: str | None
    ) -> dict[str, float | int | None]:
        """Return a ratio of a teacher's figures; nothing known where there is no such teacher."""
        if teacher is None:
            return {"value": None, "low": None, "high": None, "n": 0}
        return self._ratio(language, numerators, denominator, bounds, teacher)

    def _ratio(
        self,
        language: str,
        numerators: tuple[str, ...],
        denominator: str,
        bounds: tuple[float, float],
        teacher: str | None = None,
        *,
        per_prompt: bool = False,
    ) -> dict[str, float | int | None]:
        """Return sum(first numerator - second) / sum(denominator) with its interval; for "mul" the mean over languages.

        `per_prompt`: the denominator is a figure of the prompts, not of the teacher.
        """
        import numpy as np

        from polylect.resampling import ItemTable, means, percentiles, replicates

        languages = self._accounts.languages if language == MULTIPLE else (language,)
        counts = self._matrix(languages, denominator, None if per_prompt else teacher)
        known = counts.sum(axis=0) > 0
        if not known.any():
            return {"value": None, "low": None, "high": None, "n": 0}
        sums = self._matrix(languages, numerators[0], teacher)
        for name in numerators[1:]:
            sums = sums - self._matrix(languages, name, teacher)
        names = tuple(tag for tag, there in zip(languages, known, strict=True) if there)
        cells = ItemTable(names, sums[:, known], counts[:, known])
        drawn = replicates(cells, self._seed)
        # A resample may miss a rare language; its other languages still make a mean.
        some = ~np.isnan(drawn).all(axis=1)
        clusters = int((cells.counts.sum(axis=1) > 0).sum())
        found = percentiles(np.nanmean(drawn[some], axis=1), float(means(cells).mean()), clusters, bounds)
        return {**found._asdict(), "n": int(cells.counts.sum())}

    def _matrix(self, languages: Sequence[str], name: str, teacher: str | None) -> NDArray[np.float64]:
        import numpy as np

        return np.stack([self._accounts.sums(language, name, teacher) for language in languages], axis=1)

    def _sum(self, language: str, name: str, teacher: str | None = None) -> float:
        languages = self._accounts.languages if language == MULTIPLE else (language,)
        return float(sum(self._accounts.sums(tag, name, teacher).sum() for tag in languages))

    def _count(self, language: str, name: str, teacher: str | None = None) -> int:
        return round(self._sum(language, name, teacher))

    def _not_taken(self, language: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for tag, reasons in self._accounts.not_taken.items():
            if language in (MULTIPLE, tag):
                for reason, number in reasons.items():
                    found[reason] = found.get(reason, 0) + number
        return dict(sorted(found.items()))
