"""How many items a difference needs: power of paired comparisons over languages that share their items.

Two models answer the same items. The difference of one item in one language varies with a standard deviation s ("spread": of
win points 1, 1/2, 0 in pairwise judging; sqrt(q) for right-or-wrong answers, of which a share q differs between the models).
A mean over n items and L languages has the variance s^2 / (n L) * (1 + (L - 1) r), where r is the correlation of an item's
differences between languages; the last factor is the design effect (Kish 1965, "Survey Sampling", section 5.4). A true
difference d is found with chance `power` by a two-sided test at `level` where

    d >= (z(1 - level / 2) + z(power)) * sqrt(variance)

Claims about each of L languages are adjusted by Holm, whose first step tests at level / L: the planner takes that one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polylect.errors import EvaluationError, nearest

__all__ = [
    "CORRELATION",
    "DESIGNS",
    "Claim",
    "Design",
    "JudgeCost",
    "PowerPlan",
    "design_effect",
    "detectable",
    "items_needed",
    "plan",
]

CORRELATION = 0.26
"""Between two languages' differences on one item: a clustered error 1.9 times the naive one was measured for a mean over 11
languages, and 1.9^2 = 1 + 10 r."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is assumed of a benchmark: items per language, spread of an item's difference (metric 0 to 1), and why."""

    benchmark: str
    items: int
    spread: float
    judged: bool
    assumption: str


def _judged(benchmark: str, items: int) -> Design:
    why = "a prompt earns 1, 1/2 or 0 with standard deviation 0.42, as for even models that tie on 29 % of the prompts"
    return Design(benchmark=benchmark, items=items, spread=0.42, judged=True, assumption=why)


def _answered(benchmark: str, items: int, differing: float) -> Design:
    why = f"the models differ in being right on {100 * differing:g} % of the items"
    return Design(benchmark=benchmark, items=items, spread=math.sqrt(differing), judged=False, assumption=why)


DESIGNS = {
    design.benchmark: design
    for design in (
        _judged("m-arenahard", 500),
        _judged("m-arenahard-v2.0", 498),
        _judged("dolly-human-edited", 200),
        _judged("dolly-machine-translated", 200),
        _answered("mgsm", 250, 0.25),
        _answered("global-mmlu-lite-cs", 200, 0.20),
        _answered("global-mmlu-lite", 400, 0.20),
        _answered("xcopa", 500, 0.20),
        _answered("xstorycloze", 1511, 0.20),
    )
}
"""The known designs by benchmark. With these spreads one language shows, at 80 % power, 5.3 points on m-arenahard, 8.3 on the
Dolly sets, 8.9 on mgsm and 8.9 on the culturally sensitive part of Global-MMLU Lite ("-cs"). Those of the Global-MMLU sets stand
for the other sets of multiple choice. Measure your own: the spread is the standard deviation of an item's difference."""


@dataclass(frozen=True, kw_only=True)
class JudgeCost:
    """What judging a prompt costs: each is judged in two orders by each judge; tokens per call are assumptions of yours.

    The defaults are an instruction and a prompt of 600 tokens, two answers of 600, and a verdict of one sentence; languages
    that need more tokens than English cost more. Prices are dollars per million tokens; None: only calls and tokens are counted.
    """

    judges: int = 1
    orders: int = 2
    tokens_in: int = 1800
    tokens_out: int = 100
    price_in: float | None = None
    price_out: float | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One kind of claim: "macro" (the mean over the languages), "one" (one language), "each" (every language, Holm).

    `items` per language are needed; `answers` of each model and `calls` to the judge follow over the claim's languages.
    `detectable` is the difference in points that the benchmark's own items can show.
    """

    kind: str
    languages: int
    items: int
    enough: bool
    detectable: float
    answers: int
    calls: int
    tokens_in: int
    tokens_out: int
    cost: float | None


@dataclass(frozen=True, kw_only=True)
class PowerPlan:
    """The three claims for one benchmark, and what they rest on; `difference` in points (percent), `spread` on 0 to 1."""

    benchmark: str
    languages: int
    difference: float
    power: float
    level: float
    correlation: float
    design_effect: float
    spread: float
    available: int
    judged: bool
    assumption: str
    claims: tuple[Claim, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary for JSON."""
        return asdict(self)


def design_effect(languages: int, correlation: float = CORRELATION) -> float:
    """Return how much more a mean over `languages` varies than if their rows were independent."""
    return 1 + (languages - 1) * correlation


def detectable(
    spread: float,
    items: int,
    languages: int = 1,
    *,
    correlation: float = CORRELATION,
    power: float = 0.8,
    level: float = 0.05,
    tests: int = 1,
) -> float:
    """Return the smallest true difference that is found with chance `power`, in the unit of `spread`.

    `tests` > 1 divides the level among so many claims.
    """
    return _reach(power, level / tests) * spread * math.sqrt(design_effect(languages, correlation) / (items * languages))


def items_needed(
    spread: float,
    difference: float,
    languages: int = 1,
    *,
    correlation: float = CORRELATION,
    power: float = 0.8,
    level: float = 0.05,
    tests: int = 1,
) -> int:
    """Return the items per language with which `difference` (in the unit of `spread`) is found with chance `power`."""
    exact = (_reach(power, level / tests) * spread / difference) ** 2 * design_effect(languages, correlation) / languages
    return max(2, math.ceil(exact - 1e-9))


def plan(
    languages: int,
    difference: float,
    benchmarks: Sequence[str] = (),
    *,
    power: float = 0.8,
    level: float = 0.05,
    correlation: float = CORRELATION,
    spread: float | None = None,
    judge: JudgeCost | None = None,
) -> list[PowerPlan]:
    """Return a plan for each benchmark.

    Args:
        languages: number of languages.
        difference: points (percent) between two models that are to be found.
        benchmarks: names of `DESIGNS`; none: all of them.
        power: chance of finding the difference.
        level: two-sided, of each claim or (Holm) of all languages together.
        correlation: of an item's differences between languages, 0 to 1.
        spread: instead of the design's.
        judge: what judging costs.

    Raises:
        EvaluationError: an unknown benchmark or a number out of its range.
    """
    _check_range("languages", languages, 1, math.inf)
    _check_range("difference", difference, 1e-6, 100)
    _check_range("power", power, 0.05, 0.9999)
    _check_range("level", level, 1e-9, 0.5)
    _check_range("correlation", correlation, 0, 1)
    if spread is not None:
        _check_range("spread", spread, 1e-6, 1)
    chosen = [_design(name) for name in benchmarks] or list(DESIGNS.values())
    return [_plan(one, languages, difference, power, level, correlation, spread, judge or JudgeCost()) for one in chosen]


def _plan(
    design: Design,
    languages: int,
    difference: float,
    power: float,
    level: float,
    correlation: float,
    spread: float | None,
    judge: JudgeCost,
) -> PowerPlan:
    used = spread if spread is not None else design.spread
    given = {"correlation": correlation, "power": power, "level": level}

    def claim(kind: str, over: int, tests: int, answered: int) -> Claim:
        needed = items_needed(used, difference / 100, over, tests=tests, **given)
        found = detectable(used, design.items, over, tests=tests, **given)
        return _claim(design, kind, answered, needed, 100 * found, judge)

    claims = [claim("one", 1, 1, 1)]
    if languages > 1:
        claims = [claim("macro", languages, 1, languages), *claims, claim("each", 1, languages, languages)]
    return PowerPlan(
        benchmark=design.benchmark,
        languages=languages,
        difference=difference,
        power=power,
        level=level,
        correlation=correlation,
        design_effect=design_effect(languages, correlation),
        spread=used,
        available=design.items,
        judged=design.judged,
        assumption=design.assumption if spread is None else f"spread {spread:g}, as given",
        claims=tuple(claims),
    )


def _claim(design: Design, kind: str, languages: int, items: int, found: float, judge: JudgeCost) -> Claim:
    """Return what a claim over so many languages takes: answers to `items` items in each, and verdicts on them."""
    calls = items * languages * judge.orders * judge.judges if design.judged else 0
    return Claim(
        kind=kind,
        languages=languages,
        items=items,
        enough=items <= design.items,
        detectable=found,
        answers=items * languages,
        calls=calls,
        tokens_in=calls * judge.tokens_in,
        tokens_out=calls * judge.tokens_out,
        cost=_cost(calls, judge) if design.judged else 0.0,
    )


def _cost(calls: int, judge: JudgeCost) -> float | None:
    if judge.price_in is None or judge.price_out is None:
        return None
    return calls * (judge.tokens_in * judge.price_in + judge.tokens_out * judge.price_out) / 1e6


def _reach(power: float, level: float) -> float:
    from statistics import NormalDist

    normal = NormalDist()
    return normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)


def _design(name: str) -> Design:
    if name not in DESIGNS:
        raise EvaluationError(
            f"benchmark {name!r}: its spread is not known; known are {', '.join(DESIGNS)}.{nearest(name, DESIGNS)} For "
            "another one, take the nearest in kind and give --spread."
        )
    return DESIGNS[name]


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        top = "" if math.isinf(most) else f" to {most:g}"
        raise EvaluationError(f"{name} {value:g} is out of range: {least:g}{top or ' or more'} is needed.")
